"""Records that wait for the journal's next commit, and when it is due. Pure: time is passed in."""

import math
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from operator import attrgetter
from typing import Any

from derhead.audit import AuditRecord, ToldTokens
from derhead.gaps import GapRecord
from derhead.history.writing.record_store import Group, Note, Record
from derhead.service_levels import LevelHour
from derhead.sessions import HeartbeatRecord, SessionRecord
from derhead.telemetry import Sample

NOTED_HEARTBEATS = 10_000
"""Heartbeats that wait for a commit. When full, the oldest is dropped and counted: newer ones tell
more, and telemetry also shows when an agent was last heard."""

NOTED_SESSIONS = 10_000
"""Sessions whose changes wait for a commit, each with its newest record only. When full, the
oldest is dropped and counted; the next start closes a session left open."""

NOTED_GAPS = 10_000
"""Gaps whose changes wait for a commit, each with its newest record only. When full, the oldest
is dropped and counted: the sample that ends a gap also stores its end."""

NOTED_AUDIT = 10_000
"""Entries of the audit trail about refusals that wait for a commit. When full, the oldest is
dropped and counted. An entry about a change is in the commit of the change, and never waits."""

NOTED_LEVELS = 20_000
"""Hours of service levels that wait for a commit, each with its newest record only. When full, the
oldest is dropped and counted: an hour that still runs is noted again within a minute."""

GAPS_A_COMMIT = 1_000
"""Noted gaps in one commit: a whole fleet may fall silent at once. When full, the rest go into the
next commit."""

LEVELS_A_COMMIT = 1_000
"""Noted hours of service levels in one commit: those of a whole fleet end together. When full, the
rest go into the next commit."""

_KEYS: dict[type[Note], Callable[[Any], object]] = {
    SessionRecord: attrgetter("session_id"),
    HeartbeatRecord: attrgetter("agent_id", "received_us", "ts_us"),
    GapRecord: attrgetter("id"),
    AuditRecord: attrgetter("id"),
    ToldTokens: type,
    LevelHour: attrgetter("hour_us", "asset_id"),
}
"""The key of each kind of note: only the newest note of a key waits."""


@dataclass(frozen=True, slots=True)
class SampleBatch:
    """The telemetry of one message, acknowledged as a whole."""

    samples: Sequence[Sample]
    on_durable: Callable[[], None]
    arrived_s: float
    gaps: Sequence[GapRecord] = ()
    """Changes to the ledger of gaps, stored in the same commit as the samples."""

    @property
    def weight(self) -> int:
        """The rows that the batch counts for."""
        return len(self.samples) + len(self.gaps)


@dataclass(eq=False, slots=True)
class Write:
    """Records whose caller waits."""

    records: tuple[Record, ...]
    on_settled: Callable[[], None]
    error: Exception | None = None

    def settle(self, error: Exception | None) -> None:
        """Tells the caller that the records are stored, or why not."""
        self.error = error
        self.on_settled()


@dataclass(slots=True)
class Taken:
    """The contents of one commit."""

    batches: list[SampleBatch]
    notes: list[Note]
    writes: list[Write]

    @property
    def empty(self) -> bool:
        return self.only_writes and not self.writes

    @property
    def only_writes(self) -> bool:
        return not (self.batches or self.notes)

    def as_group(self, now_us: int) -> Group:
        return Group(
            batches=tuple(batch.samples for batch in self.batches),
            notes=(*self.notes, *(gap for batch in self.batches for gap in batch.gaps)),
            writes=tuple(write.records for write in self.writes),
            now_us=now_us,
        )


class WaitingRecords:
    """All records between their call and their commit.

    Telemetry and notes wait ``group_s`` to share a commit. A write makes the commit due at once,
    and telemetry and notes go with it. After a failed commit only writes are due until
    ``hold_until``: they may fit where a batch does not, and their callers deserve an answer.
    """

    def __init__(self, *, group_s: float, batch_rows: int, buffer_rows: int) -> None:
        self._group_s = group_s
        self._batch_rows = batch_rows
        self.buffer_rows = buffer_rows
        self._batches: deque[SampleBatch] = deque()
        self._notes: dict[type[Note], dict[object, Note]] = {kind: {} for kind in _KEYS}
        self._noted_s = math.inf
        self._writes: list[Write] = []
        self._held_until_s: float | None = None
        self._waiting_rows = 0
        self.rows = 0
        """Rows of telemetry that wait or are being committed."""
        self.dropped = Counter[type[Note]]()
        """Notes that were dropped, by kind."""

    @property
    def writes(self) -> bool:
        return bool(self._writes)

    @property
    def others(self) -> bool:
        """Whether telemetry or notes wait."""
        return bool(self._batches) or any(self._notes.values())

    @property
    def held(self) -> bool:
        return self._held_until_s is not None

    def is_held_at(self, now_s: float) -> bool:
        """Whether telemetry and notes are held at that time."""
        return self._held_until_s is not None and now_s < self._held_until_s

    def has_room(self, rows: int) -> bool:
        """Whether so many more rows may wait. A batch larger than the bound may only wait alone."""
        return self.rows == 0 or self.rows + rows <= self.buffer_rows

    def add_batch(self, batch: SampleBatch) -> None:
        self._batches.append(batch)
        self.rows += batch.weight
        self._waiting_rows += batch.weight

    def add_write(self, write: Write) -> None:
        self._writes.append(write)

    def add_note(self, record: Note, now_s: float) -> None:
        self._noted_s = min(self._noted_s, now_s)
        kind = type(record)
        notes, key = self._notes[kind], _KEYS[kind](record)
        notes.pop(key, None)
        notes[key] = record
        most = {
            SessionRecord: NOTED_SESSIONS,
            HeartbeatRecord: NOTED_HEARTBEATS,
            GapRecord: NOTED_GAPS,
            AuditRecord: NOTED_AUDIT,
            ToldTokens: 1,
            LevelHour: NOTED_LEVELS,
        }
        if len(notes) > most[kind]:
            del notes[next(iter(notes))]
            self.dropped[kind] += 1

    def due_s(self) -> float:
        """When the next commit is due: -inf = now, +inf = never."""
        if self._writes:
            return -math.inf
        if self._held_until_s is not None:
            # Due even without records: a probe must find out that commits work again.
            return self._held_until_s
        if not self.others:
            return math.inf
        if self._waiting_rows >= self._batch_rows:
            return -math.inf
        oldest_s = min(self._batches[0].arrived_s if self._batches else math.inf, self._noted_s)
        return oldest_s + self._group_s

    def hold_until(self, until_s: float | None) -> None:
        """Holds telemetry and notes until then; None lifts it."""
        self._held_until_s = until_s

    def take(self, now_s: float) -> Taken:
        """Takes the contents of the next commit: all writes, then notes and telemetry unless they
        are held. Batches go in order of arrival until they make up ``batch_rows``."""
        writes, self._writes = self._writes, []
        if self._held_until_s is not None and now_s < self._held_until_s:
            return Taken([], [], writes)
        batches: list[SampleBatch] = []
        rows = 0
        while self._batches and rows < self._batch_rows:
            batches.append(self._batches.popleft())
            rows += batches[-1].weight
        self._waiting_rows -= rows
        notes: list[Note] = []
        at_most = {GapRecord: GAPS_A_COMMIT, LevelHour: LEVELS_A_COMMIT}
        for kind, waiting in self._notes.items():
            most = at_most.get(kind, len(waiting))
            notes += [waiting.pop(key) for key in list(islice(waiting, most))]
        self._noted_s = now_s if any(self._notes.values()) else math.inf
        return Taken(batches, notes, writes)

    def take_writes(self) -> list[Write]:
        """All writes, for a close without a commit."""
        writes, self._writes = self._writes, []
        return writes

    def settle(self, taken: Taken) -> None:
        """Frees the room of rows that were committed."""
        self.rows -= sum(batch.weight for batch in taken.batches)

    def put_back(self, taken: Taken, now_s: float) -> None:
        """Puts records of a failed commit back, ahead of all newer ones."""
        self._writes = taken.writes + self._writes
        self._batches.extendleft(reversed(taken.batches))
        self._waiting_rows += sum(batch.weight for batch in taken.batches)
        newer = [note for waiting in self._notes.values() for note in waiting.values()]
        for waiting in self._notes.values():
            waiting.clear()
        for note in (*taken.notes, *newer):
            self.add_note(note, now_s)
