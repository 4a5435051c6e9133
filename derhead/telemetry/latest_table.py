"""The latest table: the newest sample of each asset, in memory.

Sessions write to it; at the start, the journal fills it. Neither writers nor readers wait. A slot
points at a row of a message, and makes a sample of it when a reader asks.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from derhead.telemetry.block import SampleBlock
from derhead.telemetry.quality import CLOCK_SKEW_US, counts_since_us
from derhead.telemetry.sample import Sample
from derproto.der.v1 import QualityBit

_BACKFILLED = int(QualityBit.BACKFILLED)

FRESH_US = 10_000_000
"""Age up to which the newest sample keeps the promise of telemetry, microseconds."""

NEVER_US = -(2**62)
"""A time before all others."""


class Watch(Protocol):
    """Sees the samples that come unusually early or late after the one before."""

    @property
    def holes(self) -> Sequence[object]: ...

    def take_newer(self, row: int, block: SampleBlock) -> None:
        """The slot is about to take the newer sample in that row."""

    def take_late(self, ts_us: int, agent_id: str, boot_id: int, received_us: int) -> None:
        """The slot does not take this sample, and there are ``holes`` or it was measured later."""


class FreshnessWatch(Protocol):
    """Counts for how long an asset's telemetry is fresh."""

    def before_sample(self, now_us: int) -> None:
        """The slot is about to take a sample that comes after a stale stretch, or is itself stale.
        The slot's ``fresh_until_us`` is still that of the sample before."""


@dataclass(eq=False, slots=True)
class Slot:
    """One asset's place in the table."""

    agent_id: str = ""
    boot_id: int = 0
    seq: int = 0
    ts_us: int = -(2**63)
    block: SampleBlock | None = None
    row: int = 0
    held: Sample | None = None
    """The sample, once made."""
    restored: bool = False
    """The sample is from the journal, and no newer one has arrived since the start. It is stale
    at any age."""
    watch: Watch | None = None
    usual_us: int = -1
    """A sample measured at most this long after the one before is usual, and the watch does
    not see it; -1 = the watch sees every sample."""
    fresh_until_us: int = NEVER_US
    """Until when the sample's age is at most ``FRESH_US``, by the headend's clock. A sample from
    the journal is never fresh."""
    freshness: FreshnessWatch | None = None

    @property
    def received_us(self) -> int:
        """When the sample was received; 0 = there is none."""
        came = self.held if self.block is None else self.block
        return 0 if came is None else came.received_us

    def is_older_than(
        self, agent_id: str, boot_id: int, seq: int, ts_us: int, backfilled: bool
    ) -> bool:
        """Whether the slot's sample is older than the given one.

        Within a boot the sequence number decides, so that a clock that was set back hides
        nothing. A live row of another boot is always newer. A backfilled row of another boot is
        newer only if it was measured later.
        """
        if boot_id == self.boot_id and agent_id == self.agent_id:
            return seq > self.seq
        return not backfilled or ts_us > self.ts_us

    def sample(self) -> Sample | None:
        if self.held is None and self.block is not None:
            self.held = self.block.sample(self.row)
            self.block = None
        return self.held


class LatestTable:
    """The newest sample of each asset that ever sent one."""

    def __init__(self) -> None:
        self._slots: defaultdict[str, Slot] = defaultdict(Slot)

    def slot(self, asset_id: str) -> Slot:
        """The asset's slot. An asset keeps its slot, so that a writer may look it up once."""
        return self._slots[asset_id]

    def fill(self, samples: Iterable[Sample]) -> None:
        """Takes the journal's samples at the start. Samples that are already there stay."""
        for sample in samples:
            if self.get(sample.asset_id) is None:
                self.offer(sample)
                slot = self.slot(sample.asset_id)
                slot.restored, slot.fresh_until_us = True, NEVER_US

    def offer(self, sample: Sample) -> bool:
        """Takes a sample if it is newer; returns whether it was."""
        slot = self.slot(sample.asset_id)
        backfilled = bool(sample.quality & _BACKFILLED)
        if not slot.is_older_than(
            sample.agent_id, sample.boot_id, sample.seq, sample.ts_us, backfilled
        ):
            return False
        slot.agent_id, slot.boot_id = sample.agent_id, sample.boot_id
        slot.seq, slot.ts_us = sample.seq, sample.ts_us
        slot.fresh_until_us = since_us(sample) + FRESH_US
        slot.block, slot.held, slot.restored = None, sample, False
        return True

    def since_us(self, asset_id: str) -> int | None:
        """As ``since_us`` of the asset's sample, which it does not make; None = there is none."""
        slot = self._slots.get(asset_id)
        if slot is None:
            return None
        if slot.block is not None:
            return slot.block.since_us(slot.row)
        return None if slot.held is None else since_us(slot.held)

    def get(self, asset_id: str) -> Sample | None:
        slot = self._slots.get(asset_id)
        return None if slot is None else slot.sample()


def offer_block(slots: Mapping[int, Slot], block: SampleBlock) -> None:
    """Takes the newer rows of a message; ``slots`` maps its indices to the slots of assets."""
    columns, agent_id, received_us = block.columns, block.agent_id, block.received_us
    indices, times = columns.asset_index, columns.ts_us
    boot_id, first_seq, backfill = columns.boot_id, columns.first_seq, columns.backfill
    # As ``counts_since_us``: an earlier time is one of a wrong clock, unless it is backfilled.
    earliest_us = NEVER_US if backfill else received_us - CLOCK_SKEW_US
    for row in block.rows:
        slot, ts_us = slots[indices[row]], times[row]
        if slot.is_older_than(agent_id, boot_id, first_seq + row, ts_us, backfill):
            if not 0 <= ts_us - slot.ts_us <= slot.usual_us and slot.watch is not None:
                slot.watch.take_newer(row, block)
            counts_us = ts_us if earliest_us <= ts_us < received_us else received_us
            until_us = counts_us + FRESH_US
            stale = received_us > slot.fresh_until_us or received_us > until_us
            if stale and slot.freshness is not None:
                slot.freshness.before_sample(received_us)
            slot.fresh_until_us = until_us
            slot.agent_id, slot.boot_id = agent_id, boot_id
            slot.seq, slot.ts_us = first_seq + row, ts_us
            slot.block, slot.row, slot.held, slot.restored = block, row, None, False
        elif slot.watch is not None and (slot.watch.holes or ts_us > slot.ts_us):
            slot.watch.take_late(ts_us, agent_id, boot_id, received_us)


def since_us(sample: Sample) -> int:
    """The time from which a sample's age counts, microseconds since the epoch."""
    return counts_since_us(sample.ts_us, sample.received_us, sample.quality)


def age_us(sample: Sample, now_us: int) -> int:
    """How old a sample is, microseconds, 0 or more."""
    return max(0, now_us - since_us(sample))


def stale_after_us(telemetry_period_ms: int) -> int:
    """Age above which a sample is stale: 10 s or 2.5 telemetry periods, the longer."""
    return max(FRESH_US, telemetry_period_ms * 2_500)
