"""The latest table: each asset's newest sample, in memory.

One writer side (ingest, and the journal at start). Readers take what is there; nobody waits.
"""

from collections.abc import Iterable

from derhead.telemetry.sample import Sample
from derproto.der.v1 import QualityBit


class LatestTable:
    """Newest sample of each asset that ever spoke."""

    def __init__(self) -> None:
        self._samples: dict[str, Sample] = {}
        self._restored: set[str] = set()

    def fill(self, samples: Iterable[Sample]) -> None:
        """Takes over what the journal knew at start; newer samples already there stay."""
        for sample in samples:
            if self._samples.setdefault(sample.asset_id, sample) is sample:
                self._restored.add(sample.asset_id)

    def offer(self, sample: Sample) -> bool:
        """Takes the sample if it is news; tells whether it was.

        Within a boot the sequence number decides, so that an agent's clock that was set
        back hides nothing. Between boots a backfilled row is news only if measured later;
        a live row always is.
        """
        held = self._samples.get(sample.asset_id)
        if held is not None and not _is_newer(sample, held):
            return False
        self._samples[sample.asset_id] = sample
        self._restored.discard(sample.asset_id)
        return True

    def get(self, asset_id: str) -> Sample | None:
        return self._samples.get(asset_id)

    def is_restored(self, asset_id: str) -> bool:
        """Whether the sample is what the journal knew at start: nothing newer came since, so
        it is stale whatever its age."""
        return asset_id in self._restored


def _is_newer(sample: Sample, held: Sample) -> bool:
    if sample.boot_id == held.boot_id and sample.agent_id == held.agent_id:
        return sample.seq > held.seq
    if sample.quality & QualityBit.BACKFILLED:
        return sample.ts_us > held.ts_us
    return True


def age_us(sample: Sample, now_us: int) -> int:
    """How old a sample is, microseconds, 0 or more.

    Counted from when it was measured; from its arrival where the agent's clock is not to
    be believed.
    """
    if sample.quality & QualityBit.CLOCK_SKEW:
        since = sample.received_us
    else:
        since = min(sample.ts_us, sample.received_us)
    return max(0, now_us - since)


def stale_after_us(telemetry_period_ms: int) -> int:
    """Age above which a sample is stale: 10 s or 2.5 telemetry periods, the longer."""
    return max(10_000_000, telemetry_period_ms * 2_500)
