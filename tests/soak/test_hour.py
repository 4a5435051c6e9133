"""A simulated hour of four agents and twenty assets, with faults, orders and readers."""

import os
from pathlib import Path

import pytest

from tests.soak.plan import DAY_S, HOUR_S, draw_plan
from tests.soak.play import play
from tests.soak.report import as_text

SEEDS = range(1, 1 + int(os.environ.get("DERHEAD_SOAK_SEEDS", "0")))
"""Seeds of whole days to play as well: ``DERHEAD_SOAK_SEEDS=10 scripts/test tests/soak``."""


def test_an_hour_keeps_every_promise(tmp_path: Path) -> None:
    plan = draw_plan(11, HOUR_S, assets=20)
    account = play(tmp_path, plan)
    assert not account.broken, "\n".join(as_text(plan, account))
    assert sum(account.acts.values()) > 15
    assert account.given
    assert account.samples > 17_000
    assert account.messages > 3_600
    assert {"no acknowledged sample is lost", "a dispatch stays in its window"} <= set(account.kept)
    assert all(kept.tried for kept in account.kept.values())


def test_the_same_seed_gives_the_same_events(tmp_path: Path) -> None:
    first, again, other = (
        play(tmp_path / name, draw_plan(seed, HOUR_S / 2, assets=5))
        for name, seed in (("first", 3), ("again", 3), ("other", 4))
    )
    assert first.digest == again.digest
    assert first.events == again.events
    assert first.samples == again.samples
    assert first.digest != other.digest


if SEEDS:

    @pytest.mark.parametrize("seed", SEEDS)
    def test_a_day_keeps_every_promise(seed: int, tmp_path: Path) -> None:
        plan = draw_plan(seed, DAY_S, assets=20)
        account = play(tmp_path, plan)
        assert not account.broken, "\n".join(as_text(plan, account))
