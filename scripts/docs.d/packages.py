"""The packages, floor by floor, with their purpose and their arrows, from the imports.

A package stands one floor above the highest package that it imports. An arrow that follows from
others is left out: who imports ``dispatch``, which imports ``telemetry``, may import both.
"""

import ast

from tests.support.repository import TOP_PACKAGES, imported, modules, room

Graph = dict[str, set[str]]


def draw() -> str:
    """A table: floor, package, purpose, and the packages right below."""
    graph = packages()
    floors = floors_of(graph)
    lines = ["| floor | package | purpose | stands on |", "|---|---|---|---|"]
    for name in sorted(graph, key=lambda name: (-floors[name], name)):
        below = ", ".join(f"`{other}`" for other in sorted(direct(name, graph)))
        lines.append(f"| {floors[name]} | `{name}` | {_purpose(modules()[name])} | {below} |")
    return "\n".join(lines)


def picture() -> str:
    """A diagram of the packages right inside the top ones, inner packages folded into them."""
    graph: Graph = {}
    for name, below in packages().items():
        if home := _folded(name):
            graph[home] = graph.get(home, set()) | {_folded(other) for other in below} - {home, ""}
    floors_of(graph)
    lines = ["```mermaid", "flowchart TD"]
    for top in TOP_PACKAGES:
        inside = sorted(name for name in graph if name.startswith(f"{top}."))
        lines += [f"  subgraph {top}", *(f"    {name}[{_last(name)}]" for name in inside), "  end"]
    for name in sorted(graph):
        if under := sorted(direct(name, graph)):
            lines.append(f"  {name} --> {' & '.join(under)}")
    return "\n".join([*lines, "```"])


def _folded(name: str) -> str:
    """``derhead.history`` of ``derhead.history.feed``; empty for what starts a command."""
    parts = name.split(".")
    return "" if len(parts) < 2 or parts[1] in ("__main__", "cli") else ".".join(parts[:2])


def _last(name: str) -> str:
    return name.rpartition(".")[2]


def packages() -> Graph:
    """Each room and those that its modules import."""
    graph: Graph = {}
    for module, tree in modules().items():
        home = room(module)
        graph[home] = graph.get(home, set()) | {room(other) for other, _ in imported(tree)} - {home}
    used = {other for below in graph.values() for other in below}
    return {name: below for name, below in graph.items() if below or name in used}


def floors_of(graph: Graph) -> dict[str, int]:
    """The floor of each package, 1 the ground. Raises: ValueError for a circle."""
    floors: dict[str, int] = {}

    def floor(name: str, above: tuple[str, ...]) -> int:
        if name in above:
            raise ValueError("a circle: " + " -> ".join((*above[above.index(name) :], name)))
        if name not in floors:
            floors[name] = 1 + max(
                (floor(b, (*above, name)) for b in sorted(graph[name])), default=0
            )
        return floors[name]

    for name in sorted(graph):
        floor(name, ())
    return floors


def direct(name: str, graph: Graph) -> set[str]:
    """The packages right below: those that no other package below stands on."""
    return {
        other for other in graph[name] if not any(other in _reach(o, graph) for o in graph[name])
    }


def _reach(name: str, graph: Graph) -> set[str]:
    """Every package below, however far."""
    found: set[str] = set()
    open_ = list(graph[name])
    while open_:
        if (other := open_.pop()) not in found:
            found.add(other)
            open_ += graph[other]
    return found


def _purpose(tree: ast.Module) -> str:
    first = (ast.get_docstring(tree) or "").strip().split("\n\n")[0]
    return " ".join(first.split()).removesuffix(".").replace("``", "`").replace("|", "\\|")
