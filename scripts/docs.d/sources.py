"""The project's modules, read as syntax trees."""

import ast
from pathlib import Path

PLACES = (".", "proto")
PACKAGES = ("derhead", "deragent", "launcher", "derproto")
GENERATED = ("derproto.der", "derproto.message_pool")


def modules(root: Path) -> dict[str, ast.Module]:
    """Every module that is not generated, by its dotted name; packages by theirs."""
    found = {}
    for place in PLACES:
        for package in PACKAGES:
            for path in sorted((root / place / package).rglob("*.py")):
                parts = path.relative_to(root / place).with_suffix("").parts
                name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
                if not name.startswith(GENERATED):
                    found[name] = ast.parse(path.read_text(encoding="utf-8"))
    return found


def is_package(root: Path, name: str) -> bool:
    """Whether the module of this name is a folder."""
    return any((root / place / name.replace(".", "/")).is_dir() for place in PLACES)


def imported(name: str, tree: ast.Module, known: dict[str, ast.Module]) -> set[str]:
    """The project's modules that a module imports; those that only its types need are left out."""
    found = set()
    for node in _running(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            inside = {f"{node.module}.{alias.name}" for alias in node.names}
            modules_inside = inside & known.keys()
            found |= modules_inside
            if len(modules_inside) < len(inside):
                found.add(node.module)
    return (found & known.keys()) - {name}


def _running(node: ast.AST) -> list[ast.AST]:
    """The nodes below, without ``if TYPE_CHECKING`` blocks."""
    found: list[ast.AST] = []
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test):
            continue
        found += [child, *_running(child)]
    return found
