"""Decisions are pure, clocks and threads come in at one place, shields have deadlines."""

import ast
import re
from collections.abc import Iterator

import pytest

from tests.support.repository import attributes, dotted, imports, modules

RUNTIME = "derproto.base.runtime"
"""The one module where clocks and threads come in."""

GUARD = "launcher.supervision.guard"
"""A script for a process of its own, without Trio and without the project."""

ACTING = {
    "asyncio",
    "asyncpg",
    "concurrent",
    "multiprocessing",
    "os",
    "quart",
    "secrets",
    "selectors",
    "signal",
    "socket",
    "sqlite3",
    "ssl",
    "subprocess",
    "threading",
    "time",
    "trio",
    "trio_asyncio",
}
"""What a pure module must not import: I/O, clocks, stores, threads, entropy."""

SAYS_PURE = re.compile(r"(: pure\b|(?<=[.?] )Pure\b)")


def is_pure(tree: ast.Module) -> bool:
    """Whether a module's docstring says that it is pure."""
    return bool(SAYS_PURE.search(" ".join((ast.get_docstring(tree) or "").split())))


def bare_random(tree: ast.Module) -> Iterator[str]:
    """Uses of the ``random`` module but for its class ``Random``."""
    for module, name, line in imports(tree):
        if module == "random" and name not in (None, "Random"):
            yield f"{line}: from random import {name}"
    for used, line in attributes(tree):
        if used.startswith("random.") and used != "random.Random":
            yield f"{line}: {used}"


CLOCKS = re.compile(
    r"(time\.(time|monotonic|perf_counter|process_time|sleep)(_ns)?"
    r"|datetime\.(now|utcnow|today)|date\.today"
    r"|to_thread(\..*)?|from_thread(\..*)?|threading\..*)"
)


def clocks(tree: ast.Module) -> Iterator[str]:
    """Looks at a clock, waits outside Trio, threads."""
    for module, name, line in imports(tree):
        if module.split(".")[0] in ("threading", "concurrent", "multiprocessing", "time"):
            yield f"{line}: import of {module}"
        elif name in ("to_thread", "from_thread"):
            yield f"{line}: {name} from {module}"
    for used, line in attributes(tree):
        if any(CLOCKS.fullmatch(tail) for tail in tails(used)):
            yield f"{line}: {used}"


def tails(name: str) -> Iterator[str]:
    """``a.b.c``, ``b.c`` and ``c``: a module may be imported under any of its parents."""
    parts = name.split(".")
    for start in range(len(parts)):
        yield ".".join(parts[start:])


def faults(found: dict[str, Iterator[str]]) -> list[str]:
    return [f"{module}: {fault}" for module, each in found.items() for fault in sorted(set(each))]


def test_pure_modules_import_nothing_that_acts() -> None:
    pure = {name: tree for name, tree in modules().items() if is_pure(tree)}
    assert len(pure) >= 90
    acting = [
        f"{name}:{line}: imports {module}"
        for name, tree in pure.items()
        for module, _imported, line in imports(tree)
        if module.split(".")[0] in ACTING or module == RUNTIME
    ]
    assert acting == []
    assert faults({name: bare_random(tree) for name, tree in pure.items()}) == []


FILES = re.compile(r"open|print|input|.*\.(open|read_text|read_bytes|write_text|write_bytes)")


def test_pure_modules_touch_no_files() -> None:
    touching = [
        f"{name}:{node.lineno}: {dotted(node.func)}"
        for name, tree in modules().items()
        if is_pure(tree)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and FILES.fullmatch(dotted(node.func) or "")
    ]
    assert touching == []


def test_pure_modules_have_nothing_to_wait_for() -> None:
    waiting = [
        f"{name}:{node.lineno}"
        for name, tree in modules().items()
        if is_pure(tree)
        for node in ast.walk(tree)
        if isinstance(node, ast.AsyncFunctionDef | ast.Await | ast.AsyncWith | ast.AsyncFor)
    ]
    assert waiting == []


def test_clocks_and_threads_come_in_at_one_place() -> None:
    elsewhere = {n: clocks(tree) for n, tree in modules().items() if n not in (RUNTIME, GUARD)}
    assert faults(elsewhere) == []
    # The rule sees what it is there for.
    assert list(clocks(modules()[RUNTIME]))
    assert list(clocks(modules()[GUARD]))


def test_randomness_is_injected() -> None:
    assert faults({name: bare_random(tree) for name, tree in modules().items()}) == []


POSTGRES = "derhead.history.postgres"
"""The one folder that knows PostgreSQL's driver and the asyncio loop that it needs."""


def test_asyncio_stays_in_its_folder() -> None:
    using = {
        name
        for name, tree in modules().items()
        for module, _imported, _line in imports(tree)
        if module.split(".")[0] in ("asyncio", "asyncpg", "trio_asyncio", "anyio")
    }
    assert {name for name in using if not name.startswith(f"{POSTGRES}.")} == set()
    assert using


def test_every_shield_has_a_deadline() -> None:
    shields = [
        f"{name}:{node.lineno}"
        for name, tree in modules().items()
        if name != RUNTIME
        for node in ast.walk(tree)
        if (isinstance(node, ast.keyword) and node.arg == "shield")
        or (isinstance(node, ast.Attribute) and node.attr == "shield")
    ]
    assert shields == []


@pytest.mark.parametrize(
    "source",
    [
        "import time",
        "from time import monotonic",
        "import datetime\nx = datetime.datetime.now()",
        "from datetime import datetime\nx = datetime.utcnow()",
        "import trio\nawait_ = trio.to_thread.run_sync",
        "from trio import to_thread",
        "from threading import Thread",
    ],
)
def test_the_rule_on_clocks_sees(source: str) -> None:
    assert list(clocks(ast.parse(source)))


@pytest.mark.parametrize(
    "source", ["import trio\nx = trio.current_time()", "from datetime import UTC, datetime"]
)
def test_the_rule_on_clocks_lets_pass(source: str) -> None:
    assert list(clocks(ast.parse(source))) == []


@pytest.mark.parametrize(
    "source",
    [
        "import random\nrandom.random()",
        "from random import choice",
        "import random\nrandom.seed(1)",
    ],
)
def test_the_rule_on_randomness_sees(source: str) -> None:
    assert list(bare_random(ast.parse(source)))


def test_the_rule_on_randomness_lets_pass() -> None:
    source = "import random\nrng = random.Random(1)\nrng.random()"
    assert list(bare_random(ast.parse(source))) == []
