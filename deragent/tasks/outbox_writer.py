"""The task of the outbox's file: it writes rows that wait too long, and reads them for backfill.

Sampling never waits for it. If the file cannot be written, the task tries again every second, and
memory holds what it can. A damaged file is set aside, and a new one begun.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TypeVar

import trio

from deragent.event_lines import EventKind
from deragent.outbox.file_work import FileLookup, FileWork
from deragent.outbox.held_rows import OutboxRow
from deragent.outbox.outbox_file import (
    FileContents,
    OutboxFile,
    OutboxFileDamagedError,
    OutboxFileError,
    set_aside,
)
from deragent.tasks.agent_board import AgentBoard
from derproto.base.runtime import Runtime, shielded_for
from derproto.stdio.log_events import event_log

T = TypeVar("T")

log = event_log(__name__)

RETRY_S = 1.0
"""Pause after a failure of the file, seconds."""
LAST_S = 1.0
"""Time in which a stopping agent writes the rows in its memory, seconds."""


class OutboxWriter:
    """One agent's outbox and its file."""

    def __init__(self, folder: Path, runtime: Runtime, board: AgentBoard) -> None:
        self._folder = folder
        self._board = board
        self._outbox = board.outbox
        self._run_blocking = runtime.run_blocking
        self._limiter = trio.CapacityLimiter(1)
        self._file: OutboxFile | None = None
        self._failing = False

    async def open(self) -> bool:
        """Opens the file and takes over its rows; returns whether that worked.

        A damaged file is set aside.
        """
        board = self._board
        asset_ids = [asset.id for asset in board.plan.assets]
        try:
            self._file = await self._blocking(
                lambda: OutboxFile(self._folder, board.boot_id, asset_ids)
            )
        except OutboxFileDamagedError as damage:
            await self._set_aside(damage)
            return False
        except OutboxFileError as error:
            self._note_failure(error)
            return False
        self._take_over(self._file.found)
        self._note_success()
        return True

    def _take_over(self, found: FileContents) -> None:
        outbox = self._outbox
        outbox.attach(found.state, found.earlier)
        outbox.gaps.restore(found.gaps)
        for missing in found.missing:
            outbox.gaps.note_missing(missing)
        for asset_id, rows in found.unserved.items():
            log.warning(
                "asset is not served any more: its samples are removed",
                asset=asset_id,
                samples=rows,
            )
        if found.state.rows:
            log.info("samples of earlier processes are to be sent", samples=found.state.rows)

    async def run(self) -> None:
        """Does the file's work as it comes due, for ever. Cancellation: waits for current work."""
        while True:
            if self._file is None and not await self.open():
                await trio.sleep(RETRY_S)
                continue
            await self._board.wait_outbox_due()
            await self._work()

    async def wait_rows(self, lookup: FileLookup) -> list[OutboxRow]:
        """The rows of a query, once the file can be read."""
        while True:
            file = self._file
            if file is not None:
                try:
                    return await self._blocking(partial(file.read, lookup))
                except OutboxFileDamagedError as damage:
                    await self._lose(file, damage)
                    return []
                except OutboxFileError as error:
                    self._note_failure(error)
            await trio.sleep(RETRY_S)

    async def write_last(self) -> None:
        """Writes the rows in memory, and closes the file; each within ``LAST_S``."""
        with shielded_for(LAST_S):
            while await self._work(everything=True):
                continue
        left = self._outbox.memory_rows
        if left:
            log.warning("samples are lost with this process: they are not on disk", samples=left)
        file, self._file = self._file, None
        if file is not None:
            with shielded_for(LAST_S):
                try:
                    await self._blocking(file.close)
                except (OutboxFileError, OutboxFileDamagedError) as error:
                    log.warning("the outbox's file was not closed properly", reason=error)

    async def _blocking(self, work: Callable[[], T]) -> T:
        """Runs work in a thread. Raises: OutboxFileError, even if the work could not begin."""
        try:
            return await self._run_blocking(work, limiter=self._limiter)
        except OSError as error:
            raise OutboxFileError(str(error)) from error

    async def _work(self, *, everything: bool = False) -> bool:
        """Does the file's work that is due now; returns whether there was any that succeeded."""
        file = self._file
        work = self._outbox.begin_work(trio.current_time(), everything=everything)
        if file is None or work is None:
            return False
        return await self._do(file, work)

    async def _do(self, file: OutboxFile, work: FileWork) -> bool:
        outbox = self._outbox
        done = None
        try:
            done = await self._blocking(lambda: file.apply(work, outbox.limits))
        except OutboxFileDamagedError as damage:
            await self._lose(file, damage)
        except OutboxFileError as error:
            self._note_failure(error)
        finally:
            # Needed too if this task is cancelled before the work began.
            if done is None:
                outbox.fail_work(work)
        if done is None:
            return False
        if outbox.finish_work(work, done):
            self._board.backfill_waiting.set()
        self._board.note_dropping(fitted=not done.dropped)
        self._note_success()
        return True

    async def _lose(self, file: OutboxFile, damage: OutboxFileDamagedError) -> None:
        if file is not self._file:
            return
        self._file = None
        lost = self._outbox.lose_file()
        log.error("samples in the outbox's file are lost", samples=lost)
        try:
            await self._blocking(file.close)
        except (OutboxFileError, OutboxFileDamagedError) as error:
            log.warning("the damaged file was not closed properly", reason=error)
        await self._set_aside(damage)

    async def _set_aside(self, damage: OutboxFileDamagedError) -> None:
        try:
            aside = await self._blocking(lambda: set_aside(self._folder))
        except OutboxFileError as error:
            self._note_failure(error)
        else:
            log.error("the outbox's file cannot be used", reason=damage, set_aside=aside)

    def _note_failure(self, error: Exception) -> None:
        if not self._failing:
            log.error("the outbox's file cannot be used now: samples stay in memory", reason=error)
            self._board.emit(EventKind.OUTBOX_DISK_FAILING, reason=str(error))
        self._failing = True

    def _note_success(self) -> None:
        if self._failing:
            log.warning("the outbox's file can be used again")
            self._board.emit(EventKind.OUTBOX_DISK_BACK)
        self._failing = False


@asynccontextmanager
async def open_outbox_writer(
    folder: Path, runtime: Runtime, board: AgentBoard
) -> AsyncIterator[OutboxWriter]:
    """Opens the outbox's file in a folder that only this agent uses.

    The block must run ``run``. However the block ends, the rows in memory are written. The agent
    works even if the file cannot be opened.
    """
    writer = OutboxWriter(folder, runtime, board)
    if not await writer.open():
        # The first try set a damaged file aside, so the second can open a new one.
        await writer.open()
    board.wait_rows = writer.wait_rows
    try:
        yield writer
    finally:
        await writer.write_last()
