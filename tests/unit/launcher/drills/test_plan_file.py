"""Plans: what is read, and each problem with its line and its advice."""

import re
from pathlib import Path

import pytest

from derproto.configuration.problems import ConfigError
from launcher.drills.drill_plan import OrderRule
from launcher.drills.drill_times import DrillTime, TimeSpread
from launcher.drills.fault_kinds import PARAMETERS, FaultKind, Scope, Victim
from launcher.drills.plan_file import (
    FAULT_KEYS,
    ORDER_KEYS,
    PLAN_KEYS,
    SHIPPED,
    find_plan,
    load_plan,
)
from launcher.drills.promise import Promise
from tests.support.repository import ROOT

CUT = "{kind: cut, target: any agent, at: 5s, for: 1s}"


def problems_of(folder: Path, text: str) -> list[str]:
    path = folder / "plan.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as raised:
        load_plan(path)
    return [str(each).removeprefix(f"{path}:") for each in raised.value.problems]


def test_a_plan_is_read(tmp_path: Path) -> None:
    path = tmp_path / "storm.yaml"
    path.write_text(
        """\
about: a storm
duration: 10m
seed: 7
sites: 2
failsafe_after: 15
orders: {every: 2s, for: no end}
headend: {telemetry_period_s: 1}
faults:
  - {kind: delay, target: site North, at: 10%, for: 5s..20%, delay_s: 0.5}
  - {kind: kill, target: headend, every: 2m, from: 1m, to: 90%}
"""
    )
    plan = load_plan(path)
    assert (plan.name, plan.about, plan.duration_s, plan.seed) == ("storm", "a storm", 600.0, 7)
    assert (plan.sites, plan.failsafe_after_s) == (2, 15.0)
    assert plan.orders == OrderRule(DrillTime(2.0), None)
    assert dict(plan.headend) == {"telemetry_period_s": 1.0}
    delay, kill = plan.rules
    assert (delay.kind, delay.victim) == (FaultKind.DELAY, Victim(Scope.SITE, "North"))
    assert (delay.at, delay.every) == (DrillTime(0.1, share=True), None)
    assert delay.lasting == TimeSpread(DrillTime(5.0), DrillTime(0.2, share=True))
    assert dict(delay.parameters) == {"delay_s": 0.5}
    assert (kill.victim.scope, kill.every, kill.from_) == (
        *(Scope.HEADEND, DrillTime(120.0)),
        DrillTime(60.0),
    )


@pytest.mark.parametrize("name", SHIPPED)
def test_the_plans_that_ship_can_be_read(name: str) -> None:
    plan = load_plan(find_plan(name))
    assert plan.name == name
    assert plan.about
    assert bool(plan.rules) == (name != "calm")


def test_bad_link_and_rough_day_have_every_kind_of_fault() -> None:
    rules = [
        each for name in ("bad-link", "rough-day") for each in load_plan(find_plan(name)).rules
    ]
    once = {rule.kind for rule in rules if rule.at is not None}
    assert once == set(FaultKind)


def test_a_plan_that_is_not_there_is_named() -> None:
    with pytest.raises(ConfigError, match=r"--chaos: there is no file 'clam', .* calm\?"):
        find_plan("clam")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("seed: 1", "1: duration: missing; write a time such as 30s, 5m or 1h"),
        ("duration: 10%", "1: duration: '10%' is a share; write a time such as 30s, 5m or 1h"),
        ("duration: 0", "1: duration: '0' is no time at all; write a time such as 30s, 5m or 1h"),
        ("duration: soon", "1: duration: 'soon' is not a time; write a time such as 30s, 5m, 1h"),
        ("duration: 9999h", "1: duration: '9999h' is longer than a week; write a shorter time"),
        ("duration: 1m\nfalts: 1", "2: falts: unknown key; did you mean faults?"),
        ("duration: 1m\nsites: 0", "2: sites: 0 is out of range; write a whole number from 1"),
        ("duration: 1m\norders: {every: 0}", "2: orders.every: 0 would order without a pause"),
        ("duration: 1m\norders: {for: 9s..5s}", "2: orders.for: '9s..5s' ends before it begins"),
        ("duration: 1m\norders: {for: ever}", "2: orders.for: 'ever' is not a time; write"),
        ("duration: 1m\nheadend: {port: 1}", "2: headend.port: unknown key; there are: telemetry"),
        ("duration: 1m\nproves: [filesafe]", "2: proves: there is no promise 'filesafe'; did you"),
        ("duration: 1m\nfaults: 3", "2: faults: the number 3 is not a list; write a list of"),
    ],
)
def test_a_wrong_plan_is_refused_with_the_line_and_what_to_write(
    tmp_path: Path, text: str, problem: str
) -> None:
    (said,) = problems_of(tmp_path, text)
    assert said.startswith(problem)


@pytest.mark.parametrize(
    ("rule", "key", "problem"),
    [
        ("{target: headend, at: 1s}", "kind", "missing; write one of: delay, throttle, corrupt"),
        ("{kind: cutt, target: headend, at: 1s}", "kind", "there is no kind of fault 'cutt'; did"),
        ("{kind: kill, at: 1s}", "target", "missing; write headend, any agent, all agents"),
        ("{kind: kill, target: agent, at: 1s}", "target", "'agent' is no target; write headend"),
        (
            "{kind: reset, target: headend, at: 1s}",
            "target",
            "reset strikes links of agents;",
        ),
        ("{kind: kill, target: headend}", "at", "missing; write at: 10% for one fault, or every"),
        ("{kind: kill, target: headend, at: 1s, every: 1m}", "every", "it cannot stand beside at"),
        ("{kind: kill, target: headend, every: 0s}", "every", "0 would strike without a pause"),
        ("{kind: kill, target: headend, at: 1s, to: 5s}", "to", "it belongs to every, not to at"),
        ("{kind: cut, target: any agent, at: 1s}", "for", "missing; write how long it lasts, such"),
        (
            "{kind: reset, target: any agent, at: 1s, for: 2s}",
            "for",
            "reset is over at once;",
        ),
        ("{kind: kill, target: headend, at: 120%}", "at", "'120%' is more than the whole drill"),
        (
            "{kind: delay, target: any agent, at: 1s, for: 1s, delay_s: 0}",
            *("delay_s", "0 is out of range; write a number above 0 and up to 60, in seconds"),
        ),
        (
            "{kind: cut, target: any agent, at: 1s, for: 1s, delay_s: 1}",
            *("delay_s", "unknown key; there are: kind, target, at, every, for, from, to"),
        ),
    ],
)
def test_a_wrong_fault_is_refused_with_its_key_and_what_to_write(
    tmp_path: Path, rule: str, key: str, problem: str
) -> None:
    said = problems_of(tmp_path, f"duration: 1m\nfaults:\n  - {CUT}\n  - {rule}\n")
    assert len(said) == 1, said
    assert said[0].startswith(f"4: faults[1].{key}: {problem}")


DOCUMENT = (ROOT / "docs/drills.md").read_text(encoding="utf-8")


def test_the_documents_plan_can_be_read(tmp_path: Path) -> None:
    (example,) = re.findall(r"^```yaml plan\n(.*?)^```$", DOCUMENT, re.MULTILINE | re.DOTALL)
    path = tmp_path / "plan.yaml"
    path.write_text(example)
    assert [rule.kind for rule in load_plan(path).rules] == [FaultKind.CUT, FaultKind.KILL]


def test_the_document_has_a_row_for_each_key_kind_and_promise() -> None:
    rows = set(re.findall(r"^\| `([\w.-]+)`", DOCUMENT, re.MULTILINE))
    keys = {*PLAN_KEYS, *(f"orders.{key}" for key in ORDER_KEYS)} - {"orders"}
    assert rows >= {*keys, *FaultKind, *Promise, *SHIPPED, *FAULT_KEYS} - {"from", "to"}
    for parameters in PARAMETERS.values():
        for name, parameter in parameters.items():
            assert f"`{name}` ({parameter.default:g})" in DOCUMENT
