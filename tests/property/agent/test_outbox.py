"""The outbox, its file and its gaps against a naive model: whatever happens, in any order."""

import math
import tempfile
from collections import Counter
from itertools import pairwise
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from deragent.devices import Measurement
from deragent.outbox import FileLookup, Outbox, OutboxLimits
from deragent.outbox.file_work import FileWork, FileWorkDone
from deragent.outbox.outbox_file import OutboxFile
from derproto.der.v1 import GapCause

LIMITS = OutboxLimits(memory_rows=12, file_rows=20)
ASSETS = ["00000000-0000-4000-8000-000000000000", "00000000-0000-4000-8000-000000000001"]
RANGES = st.lists(
    st.tuples(st.integers(0, 80), st.integers(0, 15)).map(lambda t: (t[0], t[0] + t[1])),
    max_size=3,
)

Sample = tuple[int, int]
"""The boot and the sequence number."""


class OutboxAgainstModel(RuleBasedStateMachine):
    """The model: where each sample that was ever taken went.

    A sample is held until it is acknowledged, refused, forced out (which a gap tells), or went
    with a killed process that had it in memory only.
    """

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.boot = 0
        self.clock_us = 10**15
        self.now_s = 0.0
        self.times: dict[Sample, int] = {}
        self.held: set[Sample] = set()
        self.dropped: Counter[int] = Counter()
        self.refused: Counter[int] = Counter()
        self.told: dict[tuple[int, int], int] = {}
        """The rows of each gap, as far as this or an earlier life told."""
        self.start()

    def start(self) -> None:
        self.boot += 1
        self.made = 0
        self.taken: list[Sample] = []
        self.live_from = 1
        self.store = OutboxFile(Path(self.folder.name), self.boot, ASSETS)
        self.outbox = Outbox(self.boot, LIMITS)
        # Kills are of the process here, and not of the machine.
        self.store._db.execute("PRAGMA synchronous = OFF")
        found = self.store.found
        self.outbox.attach(found.state, found.earlier)
        self.outbox.gaps.restore(found.gaps)
        for missing in found.missing:
            self.outbox.gaps.note_missing(missing)
        self.outbox.begin_session()

    def teardown(self) -> None:
        self.store.close()
        self.folder.cleanup()

    @property
    def in_file(self) -> set[Sample]:
        rows = self.store._db.execute(
            "SELECT boot_id, seq FROM rows JOIN boots ON n = boot"
        ).fetchall()
        return {(int(boot), seq) for boot, seq in rows}

    @property
    def in_memory(self) -> set[Sample]:
        return {(self.boot, row.seq) for row in self.outbox._rows.front(math.inf, 1000)}

    @property
    def pending(self) -> set[Sample]:
        """What is to be taken out of the file."""
        return {
            (span.boot_id, seq)
            for spans in (self.outbox._acked, self.outbox._refused)
            for span in spans
            for seq in range(span.first, span.last + 1)
        }

    @rule(count=st.integers(1, 6), jump_us=st.sampled_from([0, 0, 3600 * 10**6, -7200 * 10**6]))
    def measure(self, count: int, jump_us: int) -> None:
        self.clock_us += jump_us
        for _ in range(count):
            self.made += 1
            self.clock_us += 1000
            self.times[self.boot, self.made] = self.clock_us
            self.held.add((self.boot, self.made))
            fitted = self.outbox.append(
                self.made % 2, self.clock_us, Measurement(p_mw=1.0), now_s=self.now_s
            )
            if not fitted:
                oldest = min(s for s in self.held - self.in_file if s[0] == self.boot)
                self.held.remove(oldest)
                self.dropped[oldest[1] % 2] += 1

    @rule(seconds=st.sampled_from([0.5, 1.0, 5.0, 10.0]))
    def wait(self, seconds: float) -> None:
        self.now_s += seconds

    @rule(everything=st.booleans())
    def spill(self, everything: bool) -> None:
        work = self.outbox.begin_work(self.now_s, everything=everything)
        if work is not None:
            self.finish(work)

    @rule(count=st.integers(1, 4), ranges=RANGES)
    def spill_slowly(self, count: int, ranges: list[tuple[int, int]]) -> None:
        """While the file is written, rows are measured and acknowledged."""
        work = self.outbox.begin_work(self.now_s, everything=True)
        if work is None:
            return
        writing = {(self.boot, row.seq) for row in work.rows}
        free = [s for s in sorted(self.held - self.in_file - writing) if s[0] == self.boot]
        room = LIMITS.memory_rows - self.outbox.memory_rows
        for _ in range(count):
            self.made += 1
            self.clock_us += 1000
            self.times[self.boot, self.made] = self.clock_us
            self.held.add((self.boot, self.made))
            free.append((self.boot, self.made))
            self.outbox.append(
                self.made % 2, self.clock_us, Measurement(p_mw=1.0), now_s=self.now_s
            )
            room -= 1
            if room < 0:
                # What is being written is not given up.
                gone = free.pop(0)
                self.held.remove(gone)
                self.dropped[gone[1] % 2] += 1
        self.ack(ranges)
        self.finish(work)

    @rule()
    def fail(self) -> None:
        """The disk is full."""
        work = self.outbox.begin_work(self.now_s, everything=True)
        if work is not None:
            self.outbox.fail_work(work)

    def finish(self, work: FileWork) -> FileWorkDone:
        done = self.store.apply(work, LIMITS)
        self.outbox.finish_work(work, done)
        for missing in done.missing:
            if missing.cause is GapCause.OVERFLOW:
                self.dropped[missing.asset_index] += missing.rows
        # What the file gave up is the oldest of what it had.
        kept = self.in_file - self.pending
        gone = self.held - kept - self.in_memory
        assert len(gone) <= done.dropped
        assert not gone or not kept or max(gone) < min(kept)
        self.held -= gone
        return done

    @rule()
    def connect(self) -> None:
        self.outbox.begin_session()
        self.live_from = self.made + 1
        self.taken.clear()

    @rule(most=st.integers(1, 6))
    def take_live(self, most: int) -> None:
        rows = self.outbox.take_live(most)
        self.take([(self.boot, row.seq) for row in rows])
        assert all(row.seq >= self.live_from for row in rows)

    @rule(most=st.integers(1, 6))
    def take_backfill(self, most: int) -> None:
        while isinstance(step := self.outbox.next_backfill(most), FileLookup):
            rows = self.store.read(step)
            batch = self.outbox.take_looked_up(step, rows)
            if batch is not None:
                break
        else:
            batch = step
        if batch is None:
            # All that is held was handed out, but for live rows that memory still has.
            untold = self.held - set(self.taken)
            assert untold <= self.in_memory
            assert all(seq >= self.live_from for _boot, seq in untold)
            return
        assert len(batch.rows) <= most
        assert all(row.ts_us == self.times[batch.boot_id, row.seq] for row in batch.rows)
        self.take([(batch.boot_id, row.seq) for row in batch.rows])

    def take(self, samples: list[Sample]) -> None:
        assert not set(samples) & set(self.taken), "handed out twice"
        assert all(b == (a[0], a[1] + 1) for a, b in pairwise(samples))
        self.taken += samples

    @rule(ranges=RANGES)
    def ack(self, ranges: list[tuple[int, int]]) -> None:
        if self.contradicts(ranges):
            return
        self.outbox.ack(self.boot, ranges, self.now_s)
        self.held -= self.named(self.boot, ranges)

    @precondition(lambda self: self.boot > 1)
    @rule(ranges=RANGES)
    def ack_earlier(self, ranges: list[tuple[int, int]]) -> None:
        self.outbox.ack(self.boot - 1, ranges, self.now_s)
        self.held -= self.named(self.boot - 1, ranges)

    @rule(ranges=RANGES)
    def refuse(self, ranges: list[tuple[int, int]]) -> None:
        if self.contradicts(ranges):
            return
        self.outbox.refuse(self.boot, ranges)
        gone = self.held & self.named(self.boot, ranges)
        self.refused.update(seq % 2 for _boot, seq in gone)
        self.held -= gone

    def contradicts(self, ranges: list[tuple[int, int]]) -> bool:
        """No headend acknowledges a row and refuses it."""
        return bool(self.pending & self.named(self.boot, ranges))

    def named(self, boot: int, ranges: list[tuple[int, int]]) -> set[Sample]:
        return {(boot, seq) for first, last in ranges for seq in range(first, last + 1)}

    @precondition(lambda self: self.made > LIMITS.memory_rows)
    @rule()
    def stop(self) -> None:
        """In order: what is in memory goes to the file, and all is accounted for."""
        while (work := self.outbox.begin_work(self.now_s, everything=True)) is not None:
            self.finish(work)
        assert self.in_file == self.held
        rows: dict[GapCause, Counter[int]] = {
            GapCause.OVERFLOW: Counter(),
            GapCause.REFUSED: Counter(),
        }
        for gap in self.outbox.gaps._gaps.values():
            rows[gap.cause][gap.asset_index] += gap.rows
        assert rows[GapCause.OVERFLOW] == +self.dropped
        assert rows[GapCause.REFUSED] == +self.refused
        self.store.close()
        self.start()

    @precondition(lambda self: self.made > LIMITS.memory_rows)
    @rule()
    def kill(self) -> None:
        """What was in memory only is gone, and what was to be taken out comes again."""
        self.store._db.close()
        kept = {gap.key: gap for gap in self.outbox.gaps._gaps.values()}
        self.start()
        for key, gap in kept.items():
            if key not in self.outbox.gaps:
                counter = self.dropped if gap.cause is GapCause.OVERFLOW else self.refused
                counter[gap.asset_index] -= gap.rows
        self.resync()

    def resync(self) -> None:
        """After a kill only the file counts."""
        self.held = self.in_file
        self.dropped, self.refused = Counter(), Counter()
        for gap in self.outbox.gaps._gaps.values():
            counter = self.dropped if gap.cause is GapCause.OVERFLOW else self.refused
            counter[gap.asset_index] += gap.rows

    @invariant()
    def agrees(self) -> None:
        outbox = self.outbox
        assert outbox.memory_rows <= LIMITS.memory_rows
        assert outbox.file is not None
        assert outbox.file.rows == len(self.in_file) <= LIMITS.file_rows
        assert self.held == (self.in_file - self.pending) | self.in_memory
        assert not self.in_file & self.in_memory
        assert outbox.newest_ts_us in (*self.times.values(), 0)


OutboxAgainstModel.TestCase.settings = settings(
    max_examples=80, stateful_step_count=50, deadline=None
)
TestOutboxAgainstModel = OutboxAgainstModel.TestCase
