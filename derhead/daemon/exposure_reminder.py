"""Reminds of what ``--insecure`` leaves open, once an hour."""

from collections.abc import Sequence

import trio

from derhead.config import Exposure
from derproto.stdio.log_events import event_log

log = event_log(__name__)

REMIND_S = 3600.0
"""Seconds between two log lines about the same exposure."""


async def remind_of_exposures(exposures: Sequence[Exposure]) -> None:
    """Logs each at once, and again every hour, until cancelled. Without exposures, ends at once."""
    while exposures:
        for each in exposures:
            log.warning("insecure", reason=each.fact, remedy=each.remedy)
        await trio.sleep(REMIND_S)
