"""One simulated hour of a headend and five agents with a link that drops now and then."""

import time
from pathlib import Path

from derhead.dispatch import ENDED
from tests.soak.world import play


def test_an_hour_over_a_bad_link_loses_nothing(tmp_path: Path) -> None:
    started = time.perf_counter()
    account = play(tmp_path, agents=5, hours=1, seed=11)
    print(f"one simulated hour in {time.perf_counter() - started:.1f} s, {account.cuts} cuts")
    assert account.cuts >= 5
    assert account.tasks_left == 0
    for asset_id, statistics in account.agents.items():
        assert statistics.dropped_rows == 0
        assert statistics.refused_rows == 0
        assert statistics.samples >= 890
        assert statistics.sessions > account.cuts / 2
        # Every sample measured is in the journal, save what was on its way at the end.
        assert 0 <= statistics.samples - account.stored[asset_id] <= 1
    assert account.unexplained_gaps == 0
    assert len(account.orders) >= 15
    assert set(account.orders.values()) <= ENDED


def test_the_same_seed_gives_the_same_events(tmp_path: Path) -> None:
    first = play(tmp_path / "first", agents=5, hours=0.25, seed=3)
    second = play(tmp_path / "second", agents=5, hours=0.25, seed=3)
    other = play(tmp_path / "other", agents=5, hours=0.25, seed=4)
    assert first.events == second.events
    assert first.stored == second.stored
    assert sorted(first.orders.values()) == sorted(second.orders.values())
    assert first.events != other.events
