"""Clears the spool of a headend that no longer feeds PostgreSQL."""

from functools import partial

import trio

from derhead.errors import JournalError
from derhead.history.journal.embedded import Journal
from derhead.history.spool import unfed
from derproto.stdio.log_events import event_log

log = event_log(__name__)

CLEARED_COMMITS = 200
"""Commits removed in one transaction: some 25 ms at most."""

PAUSE_S = 0.2
"""Pause between two such transactions."""

RETRY_S = 15.0
"""Pause after the journal refused such a transaction."""


async def clear_spool(journal: Journal) -> None:
    """Removes the rest of a spool in small steps, and returns when it is empty."""
    while True:
        try:
            if await journal.maintain(partial(unfed.clear, at_most=CLEARED_COMMITS)):
                return
        except JournalError as error:
            log.warning(
                "the spool of a PostgreSQL that is no longer configured is not deleted yet",
                reason=error,
            )
            await trio.sleep(RETRY_S)
        await trio.sleep(PAUSE_S)
