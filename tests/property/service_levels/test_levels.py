"""Whatever happens to an asset, its service levels are those of a judge who looks every second.

The judge keeps what happened as it was: when samples came and how old they were, when an agent held
the asset, when a headend ran. It looks at each second of the time since the first sample by itself.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import TypeVar

from hypothesis import given, settings
from hypothesis import strategies as st

from derhead.service_levels import WINDOW_HOURS, LevelSums
from tests.support.counted_asset import CountedAsset
from tests.support.epoch import T0, S

T = TypeVar("T")

FRESH_S = 10
HOUR_S = 3600

WAITS = st.one_of(*[st.integers(0, 15)] * 6, st.integers(0, 2 * HOUR_S))
EVENTS = st.sampled_from(
    ["sample", "sample", "old", "old", "connect", "cut", "take over", "restart", "count"]
)


@dataclass
class Judge:
    """Remembers everything, adds up nothing."""

    samples: list[tuple[int, int]] = field(default_factory=list)
    """(when it came, when it was measured), in the order of arrival."""
    held: list[tuple[int, bool]] = field(default_factory=lambda: [(0, False)])
    runs: list[tuple[int, bool]] = field(default_factory=lambda: [(0, True)])
    reconnects: list[int] = field(default_factory=list)

    def sums(self, now_s: int) -> LevelSums:
        """What it finds in the window that ends now."""
        if not self.samples:
            return LevelSums()
        first_s = self.samples[0][0]
        window_s = now_s // HOUR_S * HOUR_S - (WINDOW_HOURS - 1) * HOUR_S
        begin_s = max(first_s, window_s)
        found = LevelSums(assets=1, from_us=T0 + begin_s * S)
        stale_from_s: int | None = None
        for second in range(first_s, now_s):
            runs, fresh, held = self._at(second)
            if not fresh:
                begins = stale_from_s is None
                stale_from_s = second if stale_from_s is None else stale_from_s
            else:
                begins, stale_from_s = False, None
            if second < begin_s:
                continue
            found.counted_us += S
            found.down_us += not runs and S
            found.fresh_us += fresh and S
            found.held_us += held and S
            found.outages += begins
            if stale_from_s is not None:
                found.longest_us = max(found.longest_us, (second + 1 - stale_from_s) * S)
        found.reconnects = sum(begin_s <= each <= now_s for each in self.reconnects)
        return found

    def _at(self, second: int) -> tuple[bool, bool, bool]:
        began_s, runs = _last(self.runs, second, (0, False))
        came_s, measured_s = _last(self.samples, second, (-1, -1))
        fresh = runs and came_s >= began_s and second - measured_s < FRESH_S
        return runs, fresh, runs and _last(self.held, second, (0, False))[1]


def _last(entries: Sequence[tuple[int, T]], second: int, default: tuple[int, T]) -> tuple[int, T]:
    """The last entry up to then."""
    place = bisect_right(entries, second, key=itemgetter(0))
    return entries[place - 1] if place else default


@settings(max_examples=200)
@given(st.lists(st.tuples(WAITS, EVENTS, st.integers(0, 30)), min_size=3, max_size=20))
def test_the_count_agrees_with_a_judge_who_looks_every_second(
    script: list[tuple[int, str, int]],
) -> None:
    asset, judge = CountedAsset(), Judge()
    session: object | None = None
    was_held = False
    for wait_s, event, number in script:
        asset.wait(wait_s)
        now_s = round(asset.now_s)
        match event:
            case "sample" | "old":
                age_s = number if event == "old" else number % 4
                asset.sample(age_s)
                judge.samples.append((now_s, now_s - age_s))
            case "connect" | "take over" if event == "take over" or session is None:
                before, session = session, object()
                asset.connect(session)
                if before is not None:
                    asset.disconnect(before)
                if was_held and judge.samples:
                    judge.reconnects.append(now_s)
                was_held = True
                judge.held.append((now_s, True))
            case "cut" if session is not None:
                asset.disconnect(session)
                session = None
                judge.held.append((now_s, False))
            case "restart":
                # The judge cannot tell what happens in one second apart.
                asset.wait(1)
                asset.store()
                judge.runs.append((now_s + 1, False))
                judge.held.append((now_s + 1, False))
                asset.wait(1 + number * 600)
                judge.runs.append((round(asset.now_s), True))
                asset.start()
                # Who held an asset that never sent a sample nobody remembers.
                was_held, session = bool(judge.samples), None
            case _:
                asset.store()
    asset.wait(number)
    assert asset.sums() == judge.sums(round(asset.now_s))
