"""The newest sample of each asset, and its age."""

from dataclasses import replace

import pytest

from derhead.telemetry import LatestTable, Sample, age_us, stale_after_us
from derproto.der.v1 import QualityBit
from tests.support.epoch import T0

HELD = Sample("a", "x", boot_id=1, seq=10, ts_us=T0, received_us=T0, p_mw=1.0)


@pytest.mark.parametrize(
    ("changes", "is_news"),
    [
        ({"seq": 11, "ts_us": T0 + 1}, True),
        ({"seq": 10}, False),
        ({"seq": 9, "ts_us": T0 + 1}, False),
        # The agent's clock was set back: the sequence still counts.
        ({"seq": 11, "ts_us": T0 - 10**9}, True),
        ({"boot_id": 2, "seq": 1, "ts_us": T0 - 5}, True),
        ({"boot_id": 2, "seq": 1, "ts_us": T0 - 5, "quality": QualityBit.BACKFILLED}, False),
        ({"boot_id": 2, "seq": 1, "ts_us": T0 + 5, "quality": QualityBit.BACKFILLED}, True),
        ({"agent_id": "y", "seq": 1}, True),
    ],
)
def test_sequence_and_time_decide_which_sample_is_newer(
    changes: dict[str, object], is_news: bool
) -> None:
    latest = LatestTable()
    latest.fill([HELD])
    offered = replace(HELD, **changes)  # type: ignore[arg-type]
    assert latest.offer(offered) is is_news
    assert latest.get("a") is (offered if is_news else HELD)


def test_a_live_sample_is_newer_than_the_journals() -> None:
    latest = LatestTable()
    newer = replace(HELD, seq=11)
    latest.offer(newer)
    latest.fill([HELD])
    assert latest.get("a") is newer
    assert latest.get("b") is None
    assert not latest.slot("a").restored


def test_the_journals_sample_stays_until_a_newer_one_comes() -> None:
    latest = LatestTable()
    latest.fill([HELD])
    assert latest.slot("a").restored
    latest.offer(replace(HELD, seq=9))
    assert latest.slot("a").restored
    latest.offer(replace(HELD, seq=11))
    assert not latest.slot("a").restored
    assert not latest.slot("b").restored


@pytest.mark.parametrize(
    ("ts_us", "quality", "age"),
    [
        (T0 - 4_000_000, 0, 5_000_000),
        (T0 + 9_000_000, 0, 1_000_000),
        (T0 - 10**12, QualityBit.CLOCK_SKEW, 1_000_000),
    ],
)
def test_age_counts_from_the_measurement(ts_us: int, quality: int, age: int) -> None:
    sample = replace(HELD, ts_us=ts_us, quality=quality)
    assert age_us(sample, T0 + 1_000_000) == age
    assert age_us(sample, T0 - 10**15) == 0


@pytest.mark.parametrize(("period_ms", "after_us"), [(4000, 10_000_000), (8000, 20_000_000)])
def test_a_sample_turns_stale_after_some_periods(period_ms: int, after_us: int) -> None:
    assert stale_after_us(period_ms) == after_us
