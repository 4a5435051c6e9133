"""The state of a group, from its parts."""

from dataclasses import replace

import pytest

from derhead.dispatch.life.transitions import State
from derhead.dispatch.sites.groups import current_parts, group_state, holds
from tests.support.epoch import T0, S
from tests.unit.dispatch.sites.site import GROUP, NAMES, RUNNING, part


def test_a_group_whose_parts_all_started() -> None:
    found = group_state(GROUP, [part(name, *RUNNING) for name in NAMES])
    assert (found.state, found.ended) == (State.STARTED, False)
    assert (found.counts, found.parts, found.started) == ({State.STARTED: 4}, 4, 4)
    assert (found.allocated_mw, found.shortfall_mw) == (2.0, 0.0)
    assert found.first_started_us == found.last_started_us == T0 + 300_000
    assert found.sentence == "4 of 4 started in 0.3 s"


def test_a_group_whose_parts_started_in_part() -> None:
    parts = [
        part("a", *RUNNING),
        part("b", *RUNNING, at_s=1),
        part("c", State.SENT, State.REJECTED),
        part("d"),
    ]
    found = group_state(GROUP, parts)
    assert found.state is State.STARTED
    assert found.counts == {State.PENDING: 1, State.STARTED: 2, State.REJECTED: 1}
    assert list(found.counts) == [State.PENDING, State.STARTED, State.REJECTED]
    assert (found.allocated_mw, found.shortfall_mw) == (1.5, 0.5)
    assert (found.first_started_us, found.last_started_us) == (T0 + 300_000, T0 + 1_300_000)
    assert found.sentence == "2 of 4 started in 1.3 s; 0.5 MW missing"


def test_a_group_whose_parts_have_not_started() -> None:
    found = group_state(GROUP, [part("a", State.SENT, State.RECEIVED), part("b", State.SENT)])
    assert (found.state, found.started_in_us) == (State.RECEIVED, None)
    assert found.sentence == "0 of 2 started; 1 MW missing"


def test_a_window_ahead_counts_from_its_start() -> None:
    ahead = replace(GROUP, start_us=T0 + 60 * S)
    assert group_state(ahead, [part("a", *RUNNING, at_s=60)]).started_in_us == 300_000


@pytest.mark.parametrize(
    ("ends", "state"),
    [
        ((State.COMPLETED, State.REJECTED, State.REJECTED), State.COMPLETED),
        ((State.CANCELLED, State.CANCELLED, State.REJECTED), State.CANCELLED),
        ((State.EXPIRED,), State.EXPIRED),
    ],
)
def test_the_parts_decide_how_a_group_ends(ends: tuple[State, ...], state: State) -> None:
    parts = [part(name, end) for name, end in zip("abc", ends, strict=False)]
    found = group_state(GROUP, parts)
    assert (found.state, found.ended) == (state, True)


def test_the_newest_part_of_an_asset_is_current() -> None:
    older = part("a", *RUNNING, State.SUPERSEDED, mw=0.5)
    newer = part("a", *RUNNING, mw=0.75, at_s=5)
    assert current_parts([newer, older]) == [newer]
    found = group_state(GROUP, [newer, older])
    assert (found.parts, found.started, found.allocated_mw) == (1, 1, 0.75)


def test_a_refused_part_leaves_the_older_one_current() -> None:
    older, newer = part("a", *RUNNING), part("a", State.SENT, State.REJECTED, at_s=5)
    assert current_parts([older, newer]) == [older]


def test_a_part_being_withdrawn_holds_nothing() -> None:
    assert holds(part("a", *RUNNING))
    assert holds(part("a", *RUNNING, State.COMPLETED))
    assert not holds(part("a", *RUNNING, cancelling="by hand"))
    assert not holds(part("a", State.EXPIRED))


def test_a_withdrawn_group_has_no_shortfall() -> None:
    parts = [part(name, State.CANCELLED) for name in NAMES]
    found = group_state(replace(GROUP, cancelling="by hand"), parts)
    assert (found.state, found.shortfall_mw) == (State.CANCELLED, 0.0)


def test_a_group_without_parts_has_failed() -> None:
    assert group_state(GROUP, []).state is State.FAILED
