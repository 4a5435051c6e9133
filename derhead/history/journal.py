"""The embedded journal (interface first)."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from derhead.dispatch import Dispatch, State
from derhead.history.page import Page
from derhead.sessions import HeartbeatRecord, SessionRecord
from derhead.telemetry import Bucket, Sample
from derproto.base.runtime import Runtime

Record = Dispatch | SessionRecord | HeartbeatRecord


class JournalError(Exception):
    """The journal cannot be opened, or a write was not stored."""


@dataclass(frozen=True, slots=True)
class JournalStatistics:
    """What the journal did since it was opened, and how it is."""

    commits: int
    failed_commits: int
    rows: int
    """Telemetry rows stored, resends not counted."""
    duplicate_rows: int
    """Telemetry rows that were there already."""
    refused_rows: int
    """Telemetry rows that the store would never take."""
    buffered_rows: int
    """Telemetry rows in memory, not yet durable."""
    dropped_heartbeats: int
    dropped_sessions: int
    last_commit_s: float
    failing_since_us: int | None
    """When commits began to fail, microseconds since the epoch; None = all is well."""


class Journal:
    async def append_telemetry(
        self, samples: Sequence[Sample], on_durable: Callable[[], None]
    ) -> None:
        raise JournalError("not open")

    async def write(self, *records: Record) -> None:
        raise JournalError("not open")

    def note(self, record: SessionRecord | HeartbeatRecord) -> None:
        raise JournalError("not open")

    def statistics(self) -> JournalStatistics:
        raise JournalError("not open")

    async def latest_samples(self) -> list[Sample]:
        raise JournalError("not open")

    async def latest_heartbeats(self) -> list[HeartbeatRecord]:
        raise JournalError("not open")

    async def last_sessions(self) -> list[SessionRecord]:
        raise JournalError("not open")

    async def open_dispatches(self) -> list[Dispatch]:
        raise JournalError("not open")

    async def close_lost_sessions(self, ended_us: int, reason: str) -> int:
        raise JournalError("not open")

    async def telemetry_history(
        self,
        asset_id: str,
        *,
        from_us: int | None = None,
        to_us: int | None = None,
        limit: int,
        cursor: str | None = None,
    ) -> Page[Sample]:
        raise JournalError("not open")

    async def telemetry_buckets(
        self,
        asset_id: str,
        *,
        step_us: int,
        from_us: int | None = None,
        to_us: int | None = None,
        limit: int,
        cursor: str | None = None,
    ) -> Page[Bucket]:
        raise JournalError("not open")

    async def dispatch_history(
        self,
        *,
        asset_id: str | None = None,
        state: State | None = None,
        from_us: int | None = None,
        to_us: int | None = None,
        limit: int,
        cursor: str | None = None,
    ) -> Page[Dispatch]:
        raise JournalError("not open")

    async def dispatch(self, dispatch_id: str) -> Dispatch | None:
        raise JournalError("not open")

    async def sessions(
        self, agent_id: str, *, limit: int, cursor: str | None = None
    ) -> Page[SessionRecord]:
        raise JournalError("not open")

    async def heartbeats(
        self,
        agent_id: str,
        *,
        from_us: int | None = None,
        to_us: int | None = None,
        limit: int,
        cursor: str | None = None,
    ) -> Page[HeartbeatRecord]:
        raise JournalError("not open")


@asynccontextmanager
async def open_journal(
    path: Path,
    runtime: Runtime,
    *,
    synchronous: Literal["FULL", "NORMAL", "OFF"] = "FULL",
    group_ms: int = 100,
    batch_rows: int = 5_000,
    buffer_rows: int = 50_000,
) -> AsyncIterator[Journal]:
    yield Journal()
