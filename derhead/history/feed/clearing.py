"""The spool of a headend that feeds no PostgreSQL any more."""

import logging
from functools import partial

import trio

from derhead.errors import JournalError
from derhead.history.journal.embedded import Journal
from derhead.history.spool import unfed

log = logging.getLogger(__name__)

CLEARED_COMMITS = 200
"""Commits dropped in one transaction from a spool that nobody feeds: some 25 ms at most."""

PAUSE_S = 0.2
"""Between two such transactions."""

RETRY_S = 15.0
"""Pause after the journal refused one."""


async def clear_spool(journal: Journal) -> None:
    """Drops what is left of a spool that nobody feeds any more, in small steps; ends with it."""
    while True:
        try:
            if await journal.maintain(partial(unfed.clear, at_most=CLEARED_COMMITS)):
                return
        except JournalError as error:
            log.warning("the spool for PostgreSQL is not cleared yet: %s", error)
            await trio.sleep(RETRY_S)
        await trio.sleep(PAUSE_S)
