# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Sluice Authors
"""Where the appliance decides otherwise than the RFCs' text suggests, and why. NAME: (what it does instead, reason). A message that is not here must do what its
line in the corpus says; one that is here must do what is said here, so an exception that has become unnecessary is seen."""

# Statuses that say a request was not understood. Everything else is policy (401, 403, 404, 407, 480, 481, 488 ...): it was.
NOT_UNDERSTOOD = {400, 405, 406, 411, 413, 414, 415, 416, 420, 421, 482, 483, 500, 501, 502, 503, 505, 513}

NO_REQUEST_LINE = "Sofia's parser knows no request line in it, and what is no request is not answered"

EXCEPTIONS = {
    "intmeth": ("drop", NO_REQUEST_LINE + ": its methods have no '+' and no '`'; the NUL in To would end its text, too"),
    "badinv01": ("drop", "Sofia's parser knows no Via in it: there is nobody to answer to"),
    "lwsruri": ("drop", NO_REQUEST_LINE + ": 'lr SIP/2.0' is no version"),
    "ipv6-bad": ("drop", NO_REQUEST_LINE + ": 'sip:2001:db8::10' is no URI"),
}
