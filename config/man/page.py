#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Sluice Authors
"""Manual pages of what has its truth elsewhere, as mdoc(7) on standard output:

    page.py conf SAMPLE        sluice.conf(5), of the sample configuration
    page.py sluicectl PROGRAM  sluicectl(1), of the program's own help
"""

import re
import subprocess
import sys

DATE = "November 21, 2026"


def plain(text):
    """A line of text or of code: what roff would take for itself is quoted."""
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return "\\&" + text if text[:1] in (".", "'") else text


def code(lines):
    yield ".Bd -literal"
    yield from (plain(line.rstrip()) for line in lines)
    yield ".Ed"


def sentences(words):
    """A paragraph, each sentence on a line of its own, as roff wants it."""
    for sentence in re.split(r"(?<=[.?!]) +", " ".join(words)):
        if sentence:
            yield plain(sentence)


def prose(lines):
    """The text of a comment. Lines that are set in, or are settings, stay as they are."""
    literal, words = [], []

    def flush():
        if words:
            yield from sentences(words)
        if literal:
            yield from code(literal)
        words.clear()
        literal.clear()

    for line in lines:
        bare = line.strip()
        is_code = line.startswith("   ") or re.match(r"[{},)]|[a-z_0-9]+ = .*[;({]|\);|@include ", bare)
        if is_code:
            if words:
                yield from flush()
            literal.append(line)
            continue
        if literal:
            yield from flush()
        if bare:
            words.append(bare)
        elif words:
            yield from flush()
            yield ".Pp"
    yield from flush()


def conf(path):
    with open(path, encoding="utf-8") as f:
        lines = f.read().split("\n")
    yield f""".\\" Made of {path.split('/')[-1]}: do not edit.
.Dd {DATE}
.Dt SLUICE.CONF 5
.Os Sluice
.Sh NAME
.Nm sluice.conf
.Nd configuration of the Sluice session border controller, TURN server and media relay
.Sh SYNOPSIS
.Pa /etc/sluice/sluice.conf
.Sh DESCRIPTION"""
    comment, settings = [], []

    def flush():
        if comment:
            yield ".Pp"
            yield from prose(comment)
        if settings:
            yield from code(settings)
        comment.clear()
        settings.clear()

    for line in lines:
        title = re.match(r"# ---- (.*?) -+$", line)
        note = re.match(r"\s*# ?(.*)$", line)
        if title:
            yield from flush()
            yield f".Sh {plain(title.group(1).upper())}"
        elif note and not settings:
            comment.append(note.group(1))
        elif note:
            yield from flush()
            comment.append(note.group(1))
        elif line.strip():
            settings.append(line)
        else:
            yield from flush()
    yield from flush()
    yield """.Sh FILES
.Bl -tag -width Ds
.It Pa /etc/sluice/sluice.conf.sample
the same text as a file, to begin with
.It Pa /usr/share/doc/sluice/examples
configurations of typical installations
.El
.Sh SEE ALSO
.Xr sluicectl 1 ,
.Xr sluice-controlplane 8 ,
.Xr sluice-dataplane 8"""


def say(program, *words):
    return subprocess.run([program, *words, "--help"], check=True, capture_output=True, text=True).stdout


def sluicectl(program):
    top = say(program)
    words = []
    for line in top.split("Usage: sluicectl COMMAND [OPTIONS]\n", 1)[1].strip("\n").split("\n"):
        if not line.startswith("  ") or line.startswith("  --"):
            break
        if line.split()[0] not in words:
            words.append(line.split()[0])
    yield f""".\\" Made of sluicectl --help: do not edit.
.Dd {DATE}
.Dt SLUICECTL 1
.Os Sluice
.Sh NAME
.Nm sluicectl
.Nd look at Sluice and steer it
.Sh SYNOPSIS
.Nm
.Ar COMMAND
.Op Ar OPTIONS
.Sh DESCRIPTION"""
    yield from code(top.strip("\n").split("\n"))
    yield ".Sh COMMANDS"
    for word in words:
        yield f".Ss {plain(word)}"
        yield from code(say(program, word).strip("\n").split("\n"))
    yield """.Sh ENVIRONMENT
.Bl -tag -width Ds
.It Ev SLUICE_API
the API's UNIX socket, where
.Fl \\-socket
does not say it
.El
.Sh SEE ALSO
.Xr sluice.conf 5 ,
.Xr sluice-controlplane 8 ,
.Xr sluice-dataplane 8"""


def main():
    if len(sys.argv) != 3 or sys.argv[1] not in ("conf", "sluicectl"):
        sys.exit(__doc__)
    lines = "\n".join({"conf": conf, "sluicectl": sluicectl}[sys.argv[1]](sys.argv[2])).split("\n")
    for i, line in enumerate(lines):
        # Around a heading or a display there is room anyway.
        if line != ".Pp" or not (lines[i - 1].startswith(".Sh") or lines[i + 1].startswith((".Bd", ".Pp"))):
            print(line)


if __name__ == "__main__":
    main()
