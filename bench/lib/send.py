# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Sluice Authors
"""The case turn-send: what turn-channeldata is, in Send and Data indications."""

from coturn import Coturn
from macswap import Macswap
from sluice import Sluice


class SendSluice(Sluice):
    more_options = ("--send",)


class SendMacswap(Macswap):
    more_options = ("--send",)


class SendCoturn(Coturn):
    more_options = ("--send",)
