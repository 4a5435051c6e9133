"""Every regular expression of the project reads its input in linear time.

Two tests hold this. The first reads each expression's parsed form: where a loop may go on, the
expression must not be able to go past it on the same character, so that there is only one way to
read any input. The second runs each expression on inputs made to lead it astray.
"""

import ast
import importlib
import re
import time
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import pytest

from tests.support.repository import dotted, modules

sre: Any = importlib.import_module("re._parser")

LONG = 100
"""A loop of more rounds counts as one without a bound."""

END = -1
"""Stands for the input's end in a set of characters."""

UNIVERSE = frozenset([*range(256), 0x2028, 0x4E2D])
"""Characters that stand for all."""

FUNCTIONS = ("compile", "match", "fullmatch", "search", "sub", "subn", "split", "findall")
UNANCHORED = ("search", "sub", "subn", "split", "findall", "finditer")
CATEGORIES = {"DIGIT": r"\d", "SPACE": r"\s", "WORD": r"\w"}

Chars = frozenset[int]
Items = Sequence[tuple[Any, Any]]


class Used(NamedTuple):
    """An expression, and whether it is tried at every place of its input."""

    pattern: re.Pattern[Any]
    anywhere: bool


def expressions() -> dict[str, Used]:
    """All of the four packages, by module and name, or by module and line."""
    found = {}
    for name, tree in modules().items():
        constants = {
            id(node.value): node.targets[0].id
            for node in tree.body
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
        }
        called = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
        anywhere = {
            node.func.value.id
            for node in called
            if isinstance(node.func, ast.Attribute)
            and isinstance(node.func.value, ast.Name)
            and node.func.attr in UNANCHORED
        }
        for node in called:
            function = (dotted(node.func) or "").removeprefix("re.")
            if f"re.{function}" != dotted(node.func) or function not in FUNCTIONS:
                continue
            if constant := constants.get(id(node)):
                pattern = getattr(importlib.import_module(name), constant)
                found[f"{name}.{constant}"] = Used(pattern, constant in anywhere)
            elif isinstance(node.args[0], ast.Constant):
                pattern = re.compile(node.args[0].value)
                found[f"{name}:{node.lineno}"] = Used(pattern, function in UNANCHORED)
            else:
                pytest.fail(f"{name}:{node.lineno}: give the expression a module constant")
    return found


# --- by structure -----------------------------------------------------------------------


def chars(op: Any, argument: Any, flags: int) -> Chars:
    """The characters that one item takes."""
    match str(op):
        case "LITERAL":
            taken = {argument}
        case "NOT_LITERAL":
            return UNIVERSE - chars(sre.LITERAL, argument, flags)
        case "ANY":
            return UNIVERSE if flags & re.DOTALL else UNIVERSE - {ord("\n")}
        case "RANGE":
            low, high = argument
            taken = {each for each in UNIVERSE if low <= each <= high}
        case "CATEGORY":
            kind = str(argument).removeprefix("CATEGORY_")
            sign = re.compile(CATEGORIES[kind.removeprefix("NOT_")])
            taken = {each for each in UNIVERSE if sign.match(chr(each))}
            return UNIVERSE - taken if kind.startswith("NOT_") else frozenset(taken)
        case "IN":
            negated = str(argument[0][0]) == "NEGATE"
            parts = [chars(each[0], each[1], flags) for each in argument[negated:]]
            taken = set().union(*parts)
            return UNIVERSE - taken if negated else frozenset(taken)
        case _:
            raise LookupError(op)
    if flags & re.IGNORECASE:
        taken |= {ord(other) for each in taken for other in (chr(each).lower(), chr(each).upper())}
    return frozenset(taken)


class Structure:
    """Goes through an expression from its end to its beginning, and collects its faults."""

    def __init__(self, used: Used) -> None:
        parsed = sre.parse(used.pattern.pattern, used.pattern.flags)
        self._flags = parsed.state.flags
        self._restarts: Chars = frozenset()
        self.faults: list[str] = []
        if used.anywhere:
            self._restarts = self._read(parsed, frozenset(), looping=False)
            self.faults.clear()
        self._read(parsed, frozenset([END]), looping=False)

    def _read(self, items: Items, after: Chars, *, looping: bool) -> Chars:
        """What the items and what comes after them may begin with."""
        for op, argument in reversed(list(items)):
            after = self._item(str(op), op, argument, after, looping)
        return after

    def _item(self, name: str, op: Any, argument: Any, after: Chars, looping: bool) -> Chars:
        match name:
            case "AT":
                return after
            case "SUBPATTERN":
                return self._read(argument[-1], after, looping=looping)
            case "ATOMIC_GROUP":
                return self._read(argument, after, looping=looping)
            case "BRANCH":
                ways = [self._read(way, after, looping=looping) for way in argument[1]]
                if looping and len(frozenset().union(*ways)) < sum(map(len, ways)):
                    self.faults.append("two ways of a choice in a loop begin alike")
                return frozenset().union(*ways)
            case "ASSERT" | "ASSERT_NOT":
                if any(long for *_, long in pumps(argument[1], "")):
                    self.faults.append("a loop looks ahead")
                return after
            case "MAX_REPEAT" | "MIN_REPEAT" | "POSSESSIVE_REPEAT":
                least, most, body = argument
                return self._loop(least, most, body, after, looping, "POSSESSIVE" in name)
            case _:
                return chars(op, argument, self._flags)

    def _loop(
        self, least: int, most: int, body: Items, after: Chars, looping: bool, possessive: bool
    ) -> Chars:
        long = most > LONG
        first = self._read(body, frozenset(), looping=False)
        self._read(body, after | first if most > 1 else after, looping=looping or long)
        if (long or looping) and first & after and not possessive:
            both = "".join(map(chr, sorted(first & after)))
            self.faults.append(f"a loop, and what comes after it, may take one of {both!r}")
        if long and first & self._restarts and END not in after:
            self.faults.append("a loop that may fail is tried at every place of the input")
        return first | after if least == 0 else first


# --- by trial ---------------------------------------------------------------------------


def pumps(items: Items, before: str) -> Iterator[tuple[str, Items, bool]]:
    """(text that leads there, body, whether it may go on for long) of every loop in the items."""
    for op, argument in items:
        match str(op):
            case "SUBPATTERN":
                yield from pumps(argument[-1], before)
            case "ATOMIC_GROUP":
                yield from pumps(argument, before)
            case "BRANCH":
                for way in argument[1]:
                    yield from pumps(way, before)
            case "ASSERT" | "ASSERT_NOT":
                yield from pumps(argument[1], before)
            case "MAX_REPEAT" | "MIN_REPEAT" | "POSSESSIVE_REPEAT":
                yield before, argument[2], argument[1] > LONG
                yield from pumps(argument[2], before)
        before += shortest([(op, argument)])


def shortest(items: Items) -> str:
    """About the shortest text that the items take."""
    text = ""
    for op, argument in items:
        match str(op):
            case "AT" | "ASSERT" | "ASSERT_NOT":
                continue
            case "SUBPATTERN":
                text += shortest(argument[-1])
            case "ATOMIC_GROUP":
                text += shortest(argument)
            case "BRANCH":
                text += min((shortest(way) for way in argument[1]), key=len)
            case "MAX_REPEAT" | "MIN_REPEAT" | "POSSESSIVE_REPEAT":
                text += shortest(argument[2]) * argument[0]
            case _:
                text += chr(min(chars(op, argument, 0), key=lambda each: (each < 0x21, each)))
    return text


def alphabet(items: Any) -> set[str]:
    """Every character that the items name."""
    if isinstance(items, tuple) and len(items) == 2 and str(items[0]).endswith("LITERAL"):
        return {chr(items[1])}
    if isinstance(items, tuple | list) or hasattr(items, "data"):
        return set().union(*(alphabet(each) for each in items))
    return set()


def astray(pattern: re.Pattern[Any], rounds: int) -> Iterator[Any]:
    """Inputs that repeat a loop's body, or one character, and then end as nothing expects."""
    parsed = sre.parse(pattern.pattern, pattern.flags)
    signs = [*sorted(alphabet(parsed))[:24], "a", "0", " "]
    for before, body, long in pumps(parsed, ""):
        for each in {shortest(body), *signs} if long else ():
            text = before + each * rounds + "\0\n"
            yield text.encode("latin-1") if isinstance(pattern.pattern, bytes) else text


def cost(used: Used, text: Any) -> float:
    """CPU seconds of one try, the least of three."""
    tries = []
    for _ in range(3):
        began = time.process_time()
        used.pattern.search(text) if used.anywhere else used.pattern.fullmatch(text)
        tries.append(time.process_time() - began)
    return min(tries)


def is_linear(used: Used) -> bool:
    """Whether four times as long an input costs about four times as much, and not sixteen."""
    short, long = astray(used.pattern, 1_000), astray(used.pattern, 4_000)
    return all(
        cost(used, four) <= 0.002 or cost(used, four) <= 8 * cost(used, one)
        for one, four in zip(short, long, strict=True)
    )


# --- the tests --------------------------------------------------------------------------

ALL = expressions()

LIBRARIES = ("h11._readers", "h11._headers", "h11._events")
"""Modules of libraries that match outside bytes; the parser of requests has mended two."""

THEIRS = {
    f"{module}.{name}": Used(pattern, anywhere=False)
    for module in LIBRARIES
    for name, pattern in vars(importlib.import_module(module)).items()
    if isinstance(pattern, re.Pattern)
}

_FIELD = rb"""(?:
    (?! accept : [^\r]*? (?: text/ | (?:json|\*) [^\r]*? ; ) )
    [0-9a-z!\#$%&'*+.^_`|~-]+ : [\t\x20-\x7e]* \r\n
)"""
ONCE_OF_THE_LANE = rb"GET [ ]/telemetry [ ]HTTP/1[.]1\r\n %b* host: x \r\n %b* \r\n" % (
    _FIELD,
    _FIELD,
)
"""It cost 25 s of the loop, for one request."""

BAD = {
    "once of the lane": Used(re.compile(ONCE_OF_THE_LANE, re.VERBOSE), anywhere=False),
    "a loop in a loop": Used(re.compile(r"(?:a+)+b"), anywhere=False),
    "two loops beside each other": Used(re.compile(r"a*[ab]*c"), anywhere=False),
    "two loops with an option between": Used(re.compile(r"\d*[.]?\d*x"), anywhere=False),
    "blanks around a value": Used(re.compile(r"k:\s*.*\s*;"), anywhere=False),
    "ways that begin alike": Used(re.compile(r"(?:a|ab?)*c"), anywhere=False),
    "tried everywhere": Used(re.compile(r"a+b"), anywhere=True),
}


EXPONENTIAL = {"a loop in a loop", "ways that begin alike"}
"""The trial would not live to see the cost of these."""


ENDLESS = {"a loop in a loop", "ways that begin alike", "blanks around a value"}
"""A trial of these takes too long."""


def test_the_list_has_those_that_outside_bytes_meet() -> None:
    assert len(ALL) >= 20
    assert {
        "derhead.httpserver.protocols.request_head._FIELD",
        "derproto.configuration.kinds._NUMBER",
    } <= set(ALL)


@pytest.mark.parametrize("name", ALL | THEIRS)
def test_an_expression_has_one_way_to_read_any_input(name: str) -> None:
    assert Structure((ALL | THEIRS)[name]).faults == []


@pytest.mark.parametrize("name", ALL | THEIRS)
def test_an_expression_takes_linear_time_for_the_worst_inputs(name: str) -> None:
    assert is_linear((ALL | THEIRS)[name])


@pytest.mark.parametrize("name", BAD)
def test_the_rule_sees_the_structure_of(name: str) -> None:
    assert Structure(BAD[name]).faults


@pytest.mark.parametrize("name", sorted(BAD.keys() - ENDLESS))
def test_the_trial_sees_the_cost_of(name: str) -> None:
    assert not is_linear(BAD[name])
