"""Opening and closing the journal, with progress reports if either takes long."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import trio

from derhead.errors import JournalError
from derhead.history.file.activity import Activity
from derhead.history.file.schema import JournalFiles, Synchronous
from derhead.history.journal.committer import FLUSH_S
from derhead.history.journal.embedded import BATCH_ROWS, BUFFER_ROWS, GROUP_MS, Journal
from derhead.history.journal.waiting import WaitingRecords
from derhead.history.spool.unfed import Spooling
from derproto.base.runtime import Runtime, shielded_for
from derproto.stdio.log_events import event_log
from derproto.system.systemd import NOBODY, Notifier

log = event_log(__name__)

TELL_S = 5.0
"""Interval of reports to systemd while opening takes long; every second one is also logged."""

EXTEND_S = 30.0
"""Time for which each report makes systemd wait."""


@asynccontextmanager
async def open_journal(
    path: Path,
    runtime: Runtime,
    *,
    synchronous: Synchronous = "FULL",
    group_ms: int = GROUP_MS,
    batch_rows: int = BATCH_ROWS,
    buffer_rows: int = BUFFER_ROWS,
    notifier: Notifier = NOBODY,
    spooling: bool = False,
) -> AsyncIterator[Journal]:
    """Opens the journal in the file ``path``, creating or migrating it, for the block.

    The data folder is created if need be, and locked, because two headends on one folder would
    destroy each other's history. However the block ends, the journal commits the records still in
    memory, within 4 s unless the disk hangs in a call.

    After an unclean stop the file is checked, and a damaged one salvaged, which may take minutes.
    Meanwhile a line is logged every 10 s, and ``notifier`` makes systemd wait.

    With ``spooling`` every stored change also waits in the spool until PostgreSQL has it.

    Cancellation: closes the journal in order. Raises: JournalError if the folder cannot be written,
    if another process holds it, or if the file belongs to a newer version or another program.
    """
    files = await _open_files(path, synchronous, runtime, notifier)
    try:
        waiting = WaitingRecords(
            group_s=group_ms / 1000, batch_rows=batch_rows, buffer_rows=buffer_rows
        )
        journal = Journal(files, runtime, waiting, Spooling() if spooling else None)
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(journal.keep_committing)
                try:
                    yield journal
                finally:
                    nursery.cancel_scope.cancel()
        finally:
            await journal.close()
    finally:
        with shielded_for(FLUSH_S):
            await runtime.run_blocking(files.close, limiter=trio.CapacityLimiter(1))


async def _open_files(
    path: Path, synchronous: Synchronous, runtime: Runtime, notifier: Notifier
) -> JournalFiles:
    progress = Activity()
    work = partial(JournalFiles, path, synchronous, progress=progress, opened_us=runtime.wall_us())
    failed: JournalError | None = None
    async with trio.open_nursery() as nursery:
        nursery.start_soon(tell, progress, notifier)
        try:
            return await runtime.run_blocking(work)
        except JournalError as error:
            failed = error
        finally:
            nursery.cancel_scope.cancel()
    assert failed is not None
    # Raise the error outside the nursery, which would wrap it in a group.
    raise failed


async def tell(progress: Activity, notifier: Notifier) -> None:
    """Reports what opening does, and for how long, until cancelled."""
    began_s = trio.current_time()
    told = 0
    while True:
        await trio.sleep(TELL_S)
        for_s = trio.current_time() - began_s
        doing = progress.doing or "opening the journal"
        notifier.busy(f"{doing}, {for_s:.0f} s so far", EXTEND_S)
        told += 1
        if told % 2 == 0:
            log.info("the journal is being opened", doing=doing, for_s=round(for_s))
