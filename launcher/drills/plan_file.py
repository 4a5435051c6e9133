"""Reading a plan, with all of its problems at once."""

from collections.abc import Mapping
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType

from derproto.configuration.kinds import TEXT, FromText, Number, Texts, Whole, member
from derproto.configuration.problems import ConfigError, Problem, nearest
from derproto.configuration.yamlfile import Section, load_yaml
from launcher.drills.drill_plan import START, USUAL_WINDOW, WHOLE, DrillPlan, FaultRule, OrderRule
from launcher.drills.drill_times import (
    LENGTH,
    NO_TIME,
    RANGE,
    TIME,
    WANTED_LENGTH,
    DrillTime,
    TimeSpread,
)
from launcher.drills.fault_kinds import (
    DEFAULT_FOR_S,
    LINK_FAULTS,
    MOMENTARY,
    PARAMETERS,
    WANTED_VICTIM,
    FaultKind,
    FaultParameter,
    Scope,
    Victim,
    parse_victim,
)
from launcher.drills.promise import Promise

SHIPPED = ("calm", "bad-link", "rough-day", "poland")
"""Names of the plans that ship."""

PLAN_KEYS = (
    "about",
    "duration",
    "seed",
    "sites",
    "failsafe_after",
    "orders",
    "headend",
    "proves",
    "faults",
)
ORDER_KEYS = ("every", "for")
FAULT_KEYS = ("kind", "target", "at", "every", "for", "from", "to")

NO_END = "no end"
"""The ``for`` of orders that last until they are withdrawn."""

MOST_SITES = 50
"""Sites of a fleet that a drill makes: each has a process of its own."""
MOST_RULES = 200

SEEDS = Whole(0, 2**63 - 1)

_PERIOD = Number(least=0.1, most=3600, unit="seconds")
HEADEND_KEYS = ("telemetry_period_s", "heartbeat_period_s", "alive_period_s", "agent_silence_s")
"""Settings of the headend that a plan may change."""

_KIND = member(FaultKind, "kind of fault")
_WINDOW = replace(RANGE, wanted=f"{RANGE.wanted}, or: {NO_END}")
_VICTIM = FromText(parse_victim, WANTED_VICTIM)


def find_plan(name: str) -> Path:
    """The path of the plan: one that ships, by its name, or else a file.

    Raises: ConfigError, if there is neither.
    """
    if name in SHIPPED:
        return Path(str(files("launcher.drills") / "plans" / f"{name}.yaml"))
    path = Path(name)
    if not path.is_file():
        text = f"there is no file {name!r}, and no plan of that name; {nearest(name, SHIPPED)}"
        raise ConfigError([Problem(None, None, "--chaos", text)])
    return path


def load_plan(path: Path) -> DrillPlan:
    """The plan that a file describes.

    Raises: ConfigError with every problem of the file.
    """
    problems: list[Problem] = []
    top = load_yaml(path, problems)
    plan = None if top is None else _plan(top, path.stem)
    if problems or plan is None:
        raise ConfigError(problems)
    return plan


def _plan(top: Section, name: str) -> DrillPlan | None:
    top.refuse_unknown(PLAN_KEYS)
    about = top.read("about", TEXT, "")
    duration_s = top.require("duration", LENGTH, f"write {WANTED_LENGTH}")
    seed = top.read("seed", SEEDS, 1)
    sites = top.read("sites", Whole(1, MOST_SITES), 3)
    failsafe_after_s = top.read("failsafe_after", LENGTH, 20.0)
    orders = _orders(top)
    headend = _headend(top)
    proves = _proves(top)
    rules = _rules(top)
    if None in (about, duration_s, seed, sites, failsafe_after_s, orders):
        return None
    assert about is not None
    assert duration_s is not None
    assert seed is not None
    assert sites is not None
    assert failsafe_after_s is not None
    assert orders is not None
    return DrillPlan(
        name=name,
        about=about,
        duration_s=duration_s,
        seed=seed,
        sites=sites,
        failsafe_after_s=failsafe_after_s,
        orders=orders,
        headend=headend,
        rules=rules,
        proves=proves,
    )


def _orders(top: Section) -> OrderRule | None:
    usual = OrderRule()
    section = top.section("orders")
    if section is None:
        return usual
    section.refuse_unknown(ORDER_KEYS)
    every = section.read("every", TIME, usual.every)
    if every is not None and every.amount <= 0:
        section.complain("every", "0 would order without a pause; write a time above 0")
        return None
    written = section.value("for")
    if written is not None and written.raw == NO_END:
        return None if every is None else OrderRule(every, None)
    lasting = section.read("for", _WINDOW, USUAL_WINDOW)
    return None if every is None or lasting is None else OrderRule(every, lasting)


def _headend(top: Section) -> Mapping[str, float]:
    section = top.section("headend")
    if section is None:
        return MappingProxyType({})
    section.refuse_unknown(HEADEND_KEYS)
    read = {key: section.optional(key, _PERIOD) for key in HEADEND_KEYS}
    return MappingProxyType({key: each for key, each in read.items() if each is not None})


def _proves(top: Section) -> tuple[Promise, ...]:
    names = top.read("proves", Texts(), ()) or ()
    for name in names:
        if name not in set(Promise):
            top.complain("proves", f"there is no promise {name[:40]!r}; {nearest(name, Promise)}")
            return ()
    return tuple(map(Promise, names))


def _rules(top: Section) -> tuple[FaultRule, ...]:
    if top.value("faults") is None:
        return ()
    advice = "write a list of faults, such as: - {kind: cut, target: any agent, every: 2m, for: 5s}"
    sections = list(top.sections("faults", advice))
    if len(sections) > MOST_RULES:
        top.complain("faults", f"more than {MOST_RULES} faults; write fewer, with every")
        return ()
    return tuple(rule for rule in map(_rule, sections) if rule is not None)


def _rule(section: Section) -> FaultRule | None:
    kind = section.require("kind", _KIND, f"write one of: {', '.join(FaultKind)}")
    known = PARAMETERS.get(kind, {}) if kind is not None else _all_parameters()
    section.refuse_unknown((*FAULT_KEYS, *known))
    victim = section.require("target", _VICTIM, f"write {WANTED_VICTIM}")
    at, every = section.optional("at", TIME), section.optional("every", TIME)
    from_, to = section.read("from", TIME, START), section.read("to", TIME, WHOLE)
    given = {name: section.read(name, each.kind, each.default) for name, each in known.items()}
    _check_times(section, at, every)
    lasting = _lasting(section, kind)
    if kind is None or victim is None or lasting is None or from_ is None or to is None:
        return None
    if not _suits(section, kind, victim):
        return None
    return FaultRule(
        kind=kind,
        victim=victim,
        at=at,
        every=every,
        lasting=lasting,
        from_=from_,
        to=to,
        parameters=MappingProxyType({n: float(v) for n, v in given.items() if v is not None}),
        place=_place(section),
    )


def _all_parameters() -> Mapping[str, FaultParameter]:
    return {name: each for known in PARAMETERS.values() for name, each in known.items()}


def _check_times(section: Section, at: DrillTime | None, every: DrillTime | None) -> None:
    if section.value("at") is None and section.value("every") is None:
        section.complain("at", "missing; write at: 10% for one fault, or every: 2m for many")
    elif section.value("at") is not None and section.value("every") is not None:
        section.complain("every", "it cannot stand beside at; keep one of them")
    if every is not None and every.amount <= 0:
        section.complain("every", "0 would strike without a pause; write a time above 0")
    for name in ("from", "to"):
        if section.value("at") is not None and section.value(name) is not None:
            section.complain(name, "it belongs to every, not to at; remove it")


def _lasting(section: Section, kind: FaultKind | None) -> TimeSpread | None:
    written = section.value("for") is not None
    if kind in MOMENTARY:
        if written:
            section.complain("for", f"{kind} is over at once; remove the line")
        return NO_TIME
    if not written and kind is not None and kind not in DEFAULT_FOR_S:
        section.complain("for", "missing; write how long it lasts, such as 10s or 5s..20s")
        return None
    return section.read("for", RANGE, NO_TIME)


def _suits(section: Section, kind: FaultKind, victim: Victim) -> bool:
    if kind in LINK_FAULTS and victim.scope is Scope.HEADEND:
        text = f"{kind} strikes links of agents; write all agents, any agent or any site"
        section.complain("target", text)
        return False
    return True


def _place(section: Section) -> Problem:
    value = section.value("target")
    line = section.line if value is None else value.line
    return Problem(section.file, line, f"{section.key}.target", "")
