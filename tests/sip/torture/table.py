# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Sluice Authors
"""Where the appliance decides otherwise than the RFCs' text suggests, and why. NAME: (what it does instead, reason). A message that is not here must do what its
line in the corpus says; one that is here must do what is said here, so an exception that has become unnecessary is seen."""

# Statuses that say a request was not understood. Everything else is policy (401, 403, 404, 407, 480, 481, 488 ...): it was.
NOT_UNDERSTOOD = {400, 405, 406, 411, 413, 414, 415, 416, 420, 421, 482, 483, 500, 501, 502, 503, 505, 513}

EXCEPTIONS = {
}
