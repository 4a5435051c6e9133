"""Packages are rooms with one purpose, and imports only point down."""

import ast
import re
from collections.abc import Iterator
from functools import cache

import pytest

from tests.support.repository import imported, imports, is_package, modules, room

Graph = dict[str, set[str]]

MOST_MODULES = 14
"""Modules of one package, its ``__init__`` apart. More are two rooms."""


@cache
def arrows() -> dict[tuple[str, str], str]:
    """Every import of one of the project's modules by another, and where it stands."""
    return {
        (name, other): f"{name}:{line} imports {other}"
        for name, tree in modules().items()
        for other, line in imported(tree)
        if other != name
    }


def circles(graph: Graph) -> list[list[str]]:
    """The groups of nodes that reach each other (Tarjan's strongly connected components)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(node: str) -> None:
        index[node] = low[node] = len(index)
        stack.append(node)
        for below in sorted(graph.get(node, ())):
            if below not in index:
                visit(below)
                low[node] = min(low[node], low[below])
            elif below in stack:
                low[node] = min(low[node], index[below])
        if low[node] == index[node]:
            group = stack[stack.index(node) :]
            del stack[stack.index(node) :]
            if len(group) > 1:
                found.append(sorted(group))

    for node in sorted(graph):
        if node not in index:
            visit(node)
    return found


def graph_of(pairs: Iterator[tuple[str, str]]) -> Graph:
    graph: Graph = {}
    for above, below in pairs:
        if above != below:
            graph.setdefault(above, set()).add(below)
    return graph


def spelled(groups: list[list[str]], name_of: dict[str, str]) -> list[str]:
    """The imports to look at: those that alone close a circle, or else all that tie it."""
    inside = {
        where: (name_of[above], name_of[below])
        for group in groups
        for (above, below), where in arrows().items()
        if name_of[above] in group and name_of[below] in group and name_of[above] != name_of[below]
    }
    return closing(inside) or [*inside]


def closing(inside: dict[str, tuple[str, str]]) -> list[str]:
    """The imports without which fewer nodes stand in a circle than without any other."""
    left = {
        where: sum(map(len, circles(graph_of(p for w, p in inside.items() if p != pair))))
        for where, pair in inside.items()
    }
    fewest = min(left.values(), default=0)
    return [where for where, count in left.items() if count == fewest]


def test_no_files_import_each_other_in_a_circle() -> None:
    files = {name: name for name in modules()}
    found = circles(graph_of(iter(arrows())))
    assert spelled(found, files) == []


def test_no_packages_import_each_other_in_a_circle() -> None:
    rooms = {name: room(name) for name in modules()}
    found = circles(graph_of((rooms[above], rooms[below]) for above, below in arrows()))
    assert spelled(found, rooms) == []


# --- between the top packages -----------------------------------------------------------------

RUNTIME = "derproto.base.runtime"
LOG_EVENTS = "derproto.stdio.log_events"
"""The one module of the base that the link may use."""

MAY_IMPORT = {
    "derproto": {"derproto"},
    "derhead": {"derhead", "derproto"},
    "deragent": {"deragent", "derproto"},
    "launcher": {"launcher", "deragent", "derproto"},
}


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_packages_stand_on_each_other_in_one_order(package: str) -> None:
    ours = set(MAY_IMPORT)
    upwards = [
        f"{name}:{line}: {module}"
        for name, tree in modules().items()
        if name.split(".")[0] == package
        for module, _imported, line in imports(tree)
        if module.split(".")[0] in ours - MAY_IMPORT[package]
    ]
    assert upwards == []


def test_imports_are_absolute() -> None:
    assert [
        f"{name}:{line}"
        for name, tree in modules().items()
        for module, _imported, line in imports(tree)
        if module.startswith(".")
    ] == []


def domains() -> set[str]:
    """The folders of derhead: each a domain with an ``__init__`` as its door."""
    return {
        ".".join(n.split(".")[:2])
        for n in modules()
        if n.count(".") >= 2 and n.startswith("derhead.")
    }


def test_domains_are_entered_by_their_door() -> None:
    assert {"derhead.sessions", "derhead.dispatch", "derhead.telemetry"} <= domains()
    around = []
    for name, tree in modules().items():
        home = ".".join(name.split(".")[:2])
        for module, taken, line in imports(tree):
            domain = ".".join(module.split(".")[:2])
            if domain not in domains() or domain == home or not name.startswith("derhead"):
                continue
            inside = module != domain or f"{module}.{taken}" in modules()
            if inside:
                around.append(f"{name}:{line}: {module}.{taken}")
    assert around == []


def test_the_link_knows_nothing_of_der() -> None:
    known = [
        f"{name}:{line}: {module}"
        for name, tree in modules().items()
        if name.startswith("derproto.triogrpc")
        for module, _imported, line in imports(tree)
        if module.split(".")[0] == "derproto"
        and module not in (RUNTIME, LOG_EVENTS)
        and not module.startswith("derproto.triogrpc")
    ]
    assert known == []


BELOW = {
    "derproto.base": set(),
    "derproto.configuration": set(),
    "derproto.stdio": {"derproto.base", "derproto.configuration"},
    "derproto.system": {"derproto.base", "derproto.configuration", "derproto.stdio"},
}
"""What stands at the very ground, and on what."""


@pytest.mark.parametrize("package", BELOW)
def test_the_ground_stands_on_nothing(package: str) -> None:
    allowed = {package, *BELOW[package]}
    above = [
        f"{name}:{line}: {module}"
        for name, tree in modules().items()
        if name.startswith(package)
        for module, _imported, line in imports(tree)
        if module.split(".")[0] == "derproto" and ".".join(module.split(".")[:2]) not in allowed
    ]
    assert above == []


# --- rooms -------------------------------------------------------------------------------------


def packages() -> list[str]:
    return [name for name in modules() if is_package(name)]


def inside(package: str) -> list[str]:
    """A package's own modules, without its ``__init__``."""
    return [
        name for name in modules() if name.rpartition(".")[0] == package and not is_package(name)
    ]


def test_no_package_is_a_bag() -> None:
    full = {p: len(inside(p)) for p in packages()}
    assert {package: count for package, count in full.items() if count > MOST_MODULES} == {}


def test_a_circle_is_found_and_named() -> None:
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == [["b", "c"]]
    assert circles({"a": {"b", "c"}, "b": {"c"}}) == []


def test_the_import_that_closes_a_circle_is_named() -> None:
    inside = {"down": ("a", "b"), "down too": ("b", "c"), "past": ("a", "c"), "up": ("c", "a")}
    assert closing(inside) == ["up"]


# --- what a package says of itself --------------------------------------------------------------


def docstring(package: str) -> str:
    return ast.get_docstring(modules()[package]) or ""


@pytest.mark.parametrize("package", packages())
def test_a_package_says_its_purpose_in_its_first_line(package: str) -> None:
    first = docstring(package).partition("\n\n")[0]
    assert first.endswith("."), f"{package}: one sentence that says what the package is for"
    assert len(first.split()) <= 30, f"{package}: {first}"


def named_at(name: str, text: str) -> int | None:
    """Where a package's docstring names one of its modules: ``name``, or a line of a list."""
    tail = name.rpartition("_")[2]
    forms = (rf"``{name}/?``", rf"^ +{name}/? ", rf"``\*_{tail}``", rf"^ +\*_{tail} ")
    found = re.search("|".join(forms), text, re.MULTILINE)
    return found and found.start()


@pytest.mark.parametrize("package", sorted({*packages()} - {"derhead", "deragent", "launcher"}))
def test_a_package_names_its_modules_from_the_ground_up(package: str) -> None:
    text = docstring(package)
    misplaced = []
    for (above, below), where in arrows().items():
        if package in ("derhead", "deragent", "launcher") or not {above, below} <= below_of(
            package
        ):
            continue
        high, low = (part_of(package, module) for module in (above, below))
        if high != low:
            places = named_at(low, text), named_at(high, text)
            if None in places or places[0] > places[1]:  # type: ignore[operator]
                misplaced.append(f"{where}: {low} comes before {high}")
    assert misplaced == []


def below_of(package: str) -> set[str]:
    """Every module inside a package, however deep."""
    return {name for name in modules() if name.startswith(f"{package}.")}


def part_of(package: str, module: str) -> str:
    return module[len(package) + 1 :].partition(".")[0]
