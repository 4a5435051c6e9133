"""A name means one thing in the whole house."""

import ast
from collections import defaultdict
from collections.abc import Iterable

from tests.support.repository import modules

Places = dict[str, list[str]]

MIRRORED = {
    **dict.fromkeys(("schema", "inserts", "deleting"), "the same for each engine of history"),
    "__main__": "one for each command",
    "cli": "the command line of each daemon",
    "config": "the configuration of each daemon",
    "daemon": "the composition root of each daemon",
    "testing": "helpers for tests of what stands on a room, as in trio.testing",
}
"""Names that stand in several places on purpose, and why: the same thing in each."""


def class_names(trees: dict[str, ast.Module]) -> Places:
    """Each class's name, with the modules that define one."""
    found: Places = defaultdict(list)
    for module, tree in trees.items():
        for node in tree.body:
            if isinstance(node, ast.ClassDef):
                found[node.name].append(module)
    return found


def module_names(names: Iterable[str]) -> Places:
    """Each module's last name, with the modules that bear it."""
    found: Places = defaultdict(list)
    for module in names:
        if "." in module:
            found[module.rpartition(".")[2]].append(module)
    return found


def shared(places: Places, allowed: Iterable[str]) -> list[str]:
    return [
        f"{name}: {', '.join(sorted(where))}"
        for name, where in sorted(places.items())
        if len(where) > 1 and name not in allowed
    ]


def test_a_class_name_means_one_thing() -> None:
    assert shared(class_names(modules()), ()) == []


def test_a_module_name_means_one_thing() -> None:
    assert shared(module_names(modules()), MIRRORED) == []


def test_two_things_of_one_name_are_found() -> None:
    tree = ast.parse("class Link: ...")
    assert shared(class_names({"a.x": tree, "b.y": tree}), ()) == ["Link: a.x, b.y"]
    assert shared(module_names(["a.gaps", "b.gaps"]), ()) == ["gaps: a.gaps, b.gaps"]
    assert shared(module_names(["a.gaps", "b.gaps"]), ("gaps",)) == []
