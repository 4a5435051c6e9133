"""What the documents say of the code and of each other is so."""

import ast
import dataclasses
import importlib
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from derproto.base.assets_file import load_fleet
from tests.unit.ground.repository import ROOT, modules, tracked_files

README, ARCHITECTURE = Path("README.md"), Path("ARCHITECTURE.md")

FENCE = re.compile(r"^( *)```.*?^\1``` *$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[(?:[^\]]|\][^(\[])*?\]\(([^)\s]+)\)")
CODE = re.compile(r"`([^`\n]+)`")


@cache
def documents() -> dict[Path, str]:
    """Every Markdown file, without its fenced code."""
    named = [path for path in tracked_files() if path.suffix == ".md"]
    return {path: FENCE.sub("", (ROOT / path).read_text()) for path in named}


def anchors(text: str) -> set[str]:
    """The names that headings can be linked by."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def dead_links(path: Path, text: str) -> Iterator[str]:
    for link in LINK.findall(text):
        target, _hash, anchor = link.partition("#")
        if re.match(r"[a-z]+:", target):
            continue
        found = (ROOT / path.parent / target).resolve() if target else ROOT / path
        if not found.is_relative_to(ROOT) or not found.exists():
            yield f"{path}: {link}"
        elif anchor and anchor not in anchors(FENCE.sub("", found.read_text())):
            yield f"{path}: {link} (no such heading)"


def test_links_lead_somewhere() -> None:
    assert {README, ARCHITECTURE, Path("docs/glossary.md")} <= set(documents())
    assert [dead for path, text in documents().items() for dead in dead_links(path, text)] == []


@pytest.mark.parametrize("link", ["docs/nowhere.md", "README.md#no-such-heading", "../outside.md"])
def test_a_dead_link_is_noticed(link: str) -> None:
    assert list(dead_links(README, f"see [there]({link})"))


def test_every_document_is_led_to() -> None:
    linked = {
        (ROOT / path.parent / link.partition("#")[0]).resolve()
        for path, text in documents().items()
        for link in LINK.findall(text)
    }
    lost = [p for p in documents() if p != README and (ROOT / p).resolve() not in linked]
    assert lost == []


# --- files and tests that are named -------------------------------------------------------


@pytest.mark.parametrize("path", [README, ARCHITECTURE], ids=str)
def test_files_that_are_named_exist(path: Path) -> None:
    text = documents()[path]
    named = {
        code.partition("::")[0]
        for code in CODE.findall(text)
        if re.fullmatch(
            r"(derhead|deragent|launcher|proto|tests|scripts|docs)/[\w./-]+",
            code.partition("::")[0],
        )
    }
    assert len(named) > 20
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_the_layout_names_what_is_there() -> None:
    layout = section((ROOT / ARCHITECTURE).read_text(), "Layout")
    named = re.findall(r"^((?:proto|derhead|deragent|launcher)/\S*)", layout, re.MULTILINE)
    assert len(named) > 15
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_trees_name_files_that_are_there() -> None:
    trees = section((ROOT / ARCHITECTURE).read_text(), "Nursery trees")
    named = re.findall(r"\b((?:proto|derhead|deragent|launcher)/[\w/]+\.py)", trees)
    assert len(named) > 15
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_promises_name_tests_that_are_there() -> None:
    promised = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", documents()[README])
    assert len(promised) >= 15
    missing = [
        f"{file}::{name}"
        for file, name in promised
        if not re.search(rf"^(async )?def {name}\(", (ROOT / file).read_text(), re.MULTILINE)
    ]
    assert missing == []


def section(text: str, heading: str) -> str:
    """What stands under a heading of the second level."""
    return text.split(f"\n## {heading}\n")[1].split("\n## ")[0]


# --- bounds ---------------------------------------------------------------------------------

ROW = re.compile(r"^\| `([\w.]+)` \| ([\d,]+) (\S+)", re.MULTILINE)
SIZES = {"KiB": 1024, "MiB": 1024 * 1024}
TIMES = {("_US", "s"): 1_000_000, ("_MS", "s"): 1000}


def stated() -> dict[str, float]:
    """The constants of the table of bounds, each with its value in its own unit."""
    rows = ROW.findall(section(documents()[ARCHITECTURE], "Bounds"))
    return {name: stated_value(name, number, unit) for name, number, unit in rows}


def stated_value(name: str, number: str, unit: str) -> float:
    return int(number.replace(",", "")) * SIZES.get(unit, TIMES.get((name[-3:], unit), 1))


def value_of(name: str) -> object:
    """The constant, or the default of a dataclass's field, of that dotted name."""
    module, attributes = name, list[str]()
    while module not in modules():
        module, _dot, attribute = module.rpartition(".")
        assert module, f"{name} is in no module"
        attributes.insert(0, attribute)
    found: object = importlib.import_module(module)
    for attribute in attributes:
        if isinstance(found, type) and dataclasses.is_dataclass(found):
            found = {field.name: field.default for field in dataclasses.fields(found)}[attribute]
        else:
            found = getattr(found, attribute)
    return found


def test_bounds_are_those_of_the_code() -> None:
    table = stated()
    assert len(table) > 40
    assert {name: value_of(name) for name in table} == table


def documented_bounds() -> Iterator[str]:
    """Constants whose docstring says what happens when full, and all of a peer's limits."""
    for module, tree in modules().items():
        yield from (f"{module}.{name}" for name, text in documented(tree) if "When full" in text)
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef) and node.name in ("LinkLimits", "HttpLimits"):
                yield from (f"{module}.{node.name}.{name}" for name, _text in documented(node))


def documented(body: ast.Module | ast.ClassDef) -> Iterator[tuple[str, str]]:
    """(name, docstring) of each assignment that has one."""
    for statement, after in zip(body.body, body.body[1:], strict=False):
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
                    yield name, " ".join(str(after.value.value).split())


def test_no_bound_of_the_code_is_left_out() -> None:
    bounds = set(documented_bounds())
    assert len(bounds) > 20
    assert sorted(bounds - set(stated())) == []


# --- examples -------------------------------------------------------------------------------


def test_the_readmes_fleet_is_read(tmp_path: Path) -> None:
    (example,) = re.findall(r"^```yaml\n(.*?)^```$", (ROOT / README).read_text(), re.M | re.S)
    (tmp_path / "assets.yaml").write_text(example)
    fleet = load_fleet(tmp_path / "assets.yaml")
    assert [asset.name for asset in fleet.assets.values()] == ["North battery"]


def test_the_readme_says_what_it_is_not() -> None:
    said = section(documents()[README], "What it is not").lower()
    for word in ("multi-tenant", "high availability", "provisioning", "event bus", "exactly-once"):
        assert word in said
