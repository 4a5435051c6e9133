"""The project's own files, as tests about the project and ``scripts/docs`` read them."""

import ast
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("derhead", "deragent", "launcher", "proto/derproto")
TOP_PACKAGES = ("derhead", "deragent", "launcher", "derproto")
"""Their own modules are rooms by themselves: what composes a daemon stands above all others, and
what every part needs stands below."""
GENERATED = ("proto/derproto/der/", "proto/derproto/message_pool.py")


@cache
def tracked_files() -> tuple[Path, ...]:
    """Every file that git keeps, relative to the root; those deleted meanwhile are left out."""
    # A checkout may belong to another user than the one who tests it.
    listed = subprocess.run(
        ["git", "-c", "safe.directory=*", "ls-files", "-z"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    return tuple(Path(name) for name in listed.split("\0") if name and (ROOT / name).is_file())


@cache
def modules() -> dict[str, ast.Module]:
    """Every module of the four packages that is not generated, by its dotted name."""
    found = {}
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            place = path.relative_to(ROOT).as_posix()
            if not place.startswith(GENERATED):
                found[module_name(place)] = ast.parse(path.read_text(), place)
    return found


@cache
def modules_of_tests() -> dict[str, ast.Module]:
    """Every module of the tests and of the scripts, by its dotted name."""
    return {
        module_name(path.as_posix()): ast.parse((ROOT / path).read_text(), str(path))
        for path in tracked_files()
        if path.suffix == ".py" and path.parts[0] in ("tests", "scripts")
    }


def module_name(place: str) -> str:
    """``proto/derproto/base/runtime.py`` is the module ``derproto.base.runtime``."""
    return (
        place.removeprefix("proto/").removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    )


def imports(tree: ast.AST) -> Iterator[tuple[str, str | None, int]]:
    """(module, name imported from it or None, line) of each import, also inside functions."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, None, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            source = "." * node.level + (node.module or "")
            yield from ((source, alias.name, node.lineno) for alias in node.names)


def dotted(node: ast.AST) -> str | None:
    """``a.b.c`` of an expression that is nothing but names and dots."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        before = dotted(node.value)
        return None if before is None else f"{before}.{node.attr}"
    return None


def attributes(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """(``a.b.c``, line) of everything reached through dots."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and (name := dotted(node)) is not None:
            yield name, node.lineno


def is_package(module: str) -> bool:
    """Whether the module of this name is a folder with an ``__init__``."""
    place = module.replace(".", "/")
    return any((ROOT / base / place / "__init__.py").is_file() for base in (".", "proto"))


def imported(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """The project's modules that a module imports, with the line."""
    for module, name, line in imports(tree):
        inside = f"{module}.{name}"
        found = inside if inside in modules() else module
        if found in modules():
            yield found, line


def room(module: str) -> str:
    """The package of a module; a top package's own modules are rooms by themselves."""
    package = module if is_package(module) else module.rpartition(".")[0]
    return module if package in TOP_PACKAGES else package
