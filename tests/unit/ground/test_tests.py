"""The house of tests: each kind imports ``tests.support`` and itself, and no other kind."""

import ast
from collections.abc import Iterator

import pytest

from tests.support.repository import imports, modules_of_tests

LAYERS = (
    {
        "agents",
        "assets",
        "certificates",
        "access",
        "audit_notes",
        "columns",
        "deterministic",
        "epoch",
        "interference",
        "modbus",
        "repository",
        "steps",
        "waiting",
    },
    {"api", "dispatch", "fleets", "history", "watched_asset", "counted_asset"},
    {"processes", "virtual"},
)
"""The rooms and files of ``tests.support``, from the ground up."""

HEIGHT = {room: number for number, layer in enumerate(LAYERS) for room in layer}


def imported_tests(tree: ast.AST) -> Iterator[tuple[list[str], int]]:
    """(``["tests", "support", "waiting"]``, line) of each import of a test's module."""
    for module, name, line in imports(tree):
        parts = module.split(".")
        if parts[0] == "tests":
            yield [*parts, name] if name and len(parts) < 3 else parts, line


def imports_of_other_kinds(home: str, tree: ast.AST) -> list[str]:
    """The imports by which a module leaves its kind, ``tests.e2e.test_tls`` the kind e2e."""
    kind = home.split(".")[1:2]
    return [
        f"{home}:{line}: imports {'.'.join(parts)}"
        for parts, line in imported_tests(tree)
        if parts[1:2] not in (["support"], kind)
    ]


def imports_upward(home: str, tree: ast.AST) -> list[str]:
    """The imports by which a room of ``tests.support`` stands on one beside or above it."""
    room = home.split(".")[2]
    return [
        f"{home}:{line}: imports {'.'.join(parts)}"
        for parts, line in imported_tests(tree)
        if parts[2] != room and HEIGHT[parts[2]] >= HEIGHT[room]
    ]


def test_no_kind_of_test_imports_another() -> None:
    modules = modules_of_tests()
    assert len(modules) > 100
    assert [
        each for home, tree in modules.items() for each in imports_of_other_kinds(home, tree)
    ] == []


def test_the_rooms_of_support_stand_in_layers() -> None:
    rooms = {n: t for n, t in modules_of_tests().items() if n.startswith("tests.support.")}
    assert {name.split(".")[2] for name in rooms} == set(HEIGHT)
    assert [each for home, tree in rooms.items() for each in imports_upward(home, tree)] == []


def test_the_times_of_tests_are_defined_once() -> None:
    again = [
        f"{name}:{node.lineno}: {target.id}"
        for name, tree in modules_of_tests().items()
        for node in tree.body
        if isinstance(node, ast.Assign) and name.startswith("tests.")
        for target in node.targets
        if name != "tests.support.epoch"
        if isinstance(target, ast.Name) and target.id in ("S", "HOUR_US", "DAY_US", "T0")
    ]
    assert again == []


@pytest.mark.parametrize(
    "source",
    [
        "from tests.unit.api import fakes",
        "from tests.unit.api.asking import ask",
        "import tests.unit",
    ],
)
def test_the_rule_on_kinds_names_the_offending_import(source: str) -> None:
    (fault,) = imports_of_other_kinds("tests.e2e.test_tls", ast.parse(source))
    assert fault.startswith("tests.e2e.test_tls:1: imports tests.unit")
    assert imports_of_other_kinds("tests.unit.api.test_app", ast.parse(source)) == []


def test_the_rule_on_layers_names_the_offending_import() -> None:
    tree = ast.parse("from tests.support.processes.world import World")
    assert imports_upward("tests.support.fleets", tree) == [
        "tests.support.fleets:1: imports tests.support.processes.world"
    ]
