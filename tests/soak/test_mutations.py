"""The judge sees a daemon that is wrong: some of the table's mutations, under a short plan."""

import json
from contextlib import nullcontext
from pathlib import Path

import pytest

from tests.soak.mutations import MUTATIONS
from tests.soak.mutations.mutation import Mutation
from tests.soak.plan import ASSETS_PER_AGENT, Act, Kind, Plan
from tests.soak.try_mutations import CAUGHT, PAGE, play_mutation, with_table

AN_OUTAGE = Plan(
    seed=1,
    seconds=600.0,
    agents=1,
    assets=ASSETS_PER_AGENT,
    acts=(
        Act(70.0, Kind.ORDER, target=0, for_s=400.0, value=0.3),
        Act(100.0, Kind.CUT),
        Act(150.0, Kind.REFUSE, for_s=150.0),
    ),
)
"""An order is under way when the link fails: first for a moment, then for longer than the asset's
failsafe allows."""


def test_without_a_mutation_every_promise_is_kept(tmp_path: Path) -> None:
    well = Mutation("well", "", "nothing", nullcontext, ())
    outcome = play_mutation(well, tmp_path, AN_OUTAGE)
    assert outcome.caught_by == ()
    assert outcome.played_s > AN_OUTAGE.seconds


@pytest.mark.parametrize(
    "name", ["spill-forgets-its-last-row", "failsafe-comes-late", "welcome-applies-again"]
)
def test_a_mutation_is_caught_by_the_promise_that_it_breaks(name: str, tmp_path: Path) -> None:
    outcome = play_mutation(MUTATIONS[name], tmp_path, AN_OUTAGE)
    assert set(outcome.caught_by) & set(MUTATIONS[name].breaks), outcome


def test_what_was_caught_broke_a_promise_of_the_table() -> None:
    for name, noted in json.loads(CAUGHT.read_text()).items():
        assert set(noted["by"]) & set(MUTATIONS[name].breaks), name
    assert with_table(PAGE.read_text()) == PAGE.read_text()


def test_each_mutation_was_caught_or_says_why_it_cannot_be() -> None:
    caught = json.loads(CAUGHT.read_text())
    for name, mutation in MUTATIONS.items():
        assert (name in caught) != bool(mutation.unseen), name
