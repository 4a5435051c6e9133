"""Who holds what: the rules of identity, supersession and held assets."""

from itertools import count

import pytest

from derhead.sessions.admission.directory import (
    DUPLICATE_COUNT,
    Admitted,
    Directory,
    Duplicate,
    describe_refusals,
)
from derhead.sessions.admission.register import Registration, read_register
from derproto.der.v1 import GrantResult, Register
from tests.support.assets import fleet_of, make_asset, numbered_id

SITE = "00000000-0000-4000-8000-00000000000a"
A1, A2, A3 = (numbered_id(n) for n in (1, 2, 3))
SILENT_AFTER_S = 15.0


@pytest.fixture
def directory() -> Directory:
    fleet = fleet_of(make_asset(A1), make_asset(A2), make_asset(A3, agent="chosen"))
    return Directory(fleet, silent_after_s=SILENT_AFTER_S)


BOOTS = count(1)


def claims(agent_id: str, *asset_ids: str, boot_id: int | None = None) -> Registration:
    """A registration of another process each time, unless ``boot_id`` says otherwise."""
    boot = next(BOOTS) if boot_id is None else boot_id
    return Registration(agent_id, None, asset_ids, "1", boot, 0, (), 0)


def admit(directory: Directory, agent_id: str, session: str, now: float, *assets: str) -> Admitted:
    admitted = directory.admit(claims(agent_id, *assets), session, now)
    assert isinstance(admitted, Admitted)
    return admitted


def results(admitted: Admitted) -> list[GrantResult]:
    return [grant.result for grant in admitted.live.grants]


def test_a_refused_asset_keeps_its_index(directory: Directory) -> None:
    admitted = admit(directory, "x", "s1", 0, "nonsense", A1, A1.upper(), A3, A2)
    assert results(admitted) == [
        GrantResult.UNKNOWN_ASSET,
        GrantResult.GRANTED,
        GrantResult.REPEATED,
        GrantResult.NOT_AUTHORIZED,
        GrantResult.GRANTED,
    ]
    assert admitted.live.granted == {1: A1, 4: A2}
    assert "nonsense" in admitted.live.grants[0].detail
    assert directory.holder(A1) == "x"
    assert directory.holder(A3) is None


def test_the_agent_named_in_the_file_gets_it(directory: Directory) -> None:
    assert results(admit(directory, "chosen", "s1", 0, A3)) == [GrantResult.GRANTED]


def test_the_newest_session_of_an_agent_wins(directory: Directory) -> None:
    admit(directory, "x", "s1", 0, A1, A2)
    admitted = admit(directory, "x", "s2", 1, A1)
    assert admitted.superseded == "s1"
    assert results(admitted) == [GrantResult.GRANTED]
    assert directory.holder(A2) is None
    directory.release("s1")
    assert directory.holder(A1) == "x"
    directory.release("s2")
    assert directory.holder(A1) is None


def test_an_asset_belongs_to_one_live_agent(directory: Directory) -> None:
    admit(directory, "x", "s1", 0, A1)
    other = admit(directory, "y", "s2", SILENT_AFTER_S - 0.1, A1, A2)
    assert results(other) == [GrantResult.ASSET_HELD, GrantResult.GRANTED]
    assert other.live.grants[0].detail == "held by x"
    assert other.silenced == ()
    assert directory.holder(A1) == "x"


def test_a_silent_agent_loses_its_asset(directory: Directory) -> None:
    first = admit(directory, "x", "s1", 0, A1, A2)
    first.live.heard_at = 10
    other = admit(directory, "y", "s2", 10 + SILENT_AFTER_S, A1)
    assert results(other) == [GrantResult.GRANTED]
    assert other.silenced == ("s1",)
    assert directory.holder(A1) == "y"
    assert directory.holder(A2) is None


def test_an_agent_that_is_held_up_keeps_its_asset(directory: Directory) -> None:
    first = admit(directory, "x", "s1", 0, A1)
    first.live.held_up = True
    other = admit(directory, "y", "s2", 10 * SILENT_AFTER_S, A1)
    assert results(other) == [GrantResult.ASSET_HELD]


def test_three_supersessions_within_a_minute_are_two_agents(directory: Directory) -> None:
    for number, now in enumerate((0.0, 10.0, 20.0)):
        admit(directory, "x", f"s{number}", now, A1)
    assert not directory.is_duplicate("x", 20)
    assert directory.admit(claims("x", A1), "s3", 59.9) == Duplicate("s2")
    assert directory.is_duplicate("x", 60)
    assert directory.is_duplicate("x", 600)
    assert not directory.is_duplicate("x", 700)


def test_one_process_that_comes_again_and_again_is_one_agent(directory: Directory) -> None:
    for number in range(10):
        admitted = directory.admit(claims("x", A1, boot_id=7), f"s{number}", number)
        assert isinstance(admitted, Admitted)
    assert not directory.is_duplicate("x", 10)


def test_three_supersessions_in_longer_are_not(directory: Directory) -> None:
    for number, now in enumerate((0.0, 10.0, 20.0, 80.0)):
        admit(directory, "x", f"s{number}", now, A1)
    assert not directory.is_duplicate("x", 80)


def test_reconnecting_after_an_end_is_not_a_supersession(directory: Directory) -> None:
    for number in range(10):
        assert admit(directory, "x", f"s{number}", number, A1).superseded is None
        directory.release(f"s{number}")


def register(**changes: object) -> Register:
    fields: dict[str, object] = {"agent_id": "x", "asset_ids": [A1], "boot_id": 1, **changes}
    return Register(**fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({"agent_id": ""}, "register.agent_id"),
        ({"agent_id": "a b"}, "register.agent_id"),
        ({"agent_id": "a" * 65}, "register.agent_id"),
        ({"agent_id": "a\n"}, "register.agent_id"),
        ({"site_id": "home"}, "register.site_id"),
        ({"asset_ids": []}, "register.asset_ids"),
        ({"asset_ids": [A1] * 11}, "register.asset_ids"),
        ({"boot_id": 0}, "register.boot_id"),
    ],
)
def test_a_bad_register_names_its_field(changes: dict[str, object], names: str) -> None:
    problem = read_register(register(**changes), max_assets=10)
    assert isinstance(problem, str)
    assert problem.startswith(names + ": ")


def test_a_good_register_is_read() -> None:
    read = read_register(register(site_id=SITE.upper(), software_version="v" * 99), 10)
    assert isinstance(read, Registration)
    assert (read.agent_id, read.site_id, read.asset_ids) == ("x", SITE, (A1,))
    assert len(read.software_version) == 64


def test_refused_assets_are_told_in_one_line(directory: Directory) -> None:
    one = admit(directory, "x", "s1", 0, A1, "nonsense")
    assert describe_refusals(one.live.grants) == "asset 1 refused: 'nonsense' is not in the fleet"
    many = admit(directory, "y", "s2", 0, A2, *["nonsense"] * 1000)
    line = describe_refusals(many.live.grants)
    assert line == "asset 1 refused: 'nonsense' is not in the fleet; and 999 more"
    none = admit(directory, "z", "s3", 100, A2)
    assert describe_refusals(none.live.grants) is None


def test_supersessions_of_many_ids_are_not_remembered_for_ever(
    directory: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("derhead.sessions.admission.directory.DUPLICATES_NOTED", 10)
    for number in range(100):
        agent_id = f"agent-{number}"
        for attempt in range(DUPLICATE_COUNT + 1):
            directory.admit(claims(agent_id, A1), f"{number}-{attempt}", 0)
        assert directory.is_duplicate(agent_id, 1)
        directory.admit(claims(agent_id, A1), f"{number}-again", 0)
    assert len(directory._duplicate_until) == 10
    assert len(directory._supersessions) <= 10
