"""What the documents say of the code and of each other is so."""

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from derproto.configuration.assets_file import load_fleet
from tests.support.repository import ROOT, modules, tracked_files

README, ARCHITECTURE = Path("README.md"), Path("ARCHITECTURE.md")
PROMISES = Path("docs/promises.md")
SECURITY = Path("docs/security.md")

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

NAMING_FILES = {
    ARCHITECTURE: 10,
    PROMISES: 30,
    Path("CONTRIBUTING.md"): 25,
    Path("docs/traps.md"): 15,
    Path("docs/patterns.md"): 20,
}
"""Documents that name files of the project, each with how many it names at least."""


@pytest.mark.parametrize("path", [*NAMING_FILES], ids=str)
def test_files_that_are_named_exist(path: Path) -> None:
    text = documents()[path]
    named = {
        code.partition("::")[0]
        for code in CODE.findall(text)
        if re.fullmatch(
            r"(derhead|deragent|launcher|proto|tests|scripts|docs|examples)/[\w./-]+",
            code.partition("::")[0],
        )
    }
    assert len(named) >= NAMING_FILES[path]
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_trees_name_files_that_are_there() -> None:
    trees = section((ROOT / ARCHITECTURE).read_text(), "Nursery trees")
    named = re.findall(r"\b((?:proto|derhead|deragent|launcher)/[\w/]+\.py)", trees)
    assert len(named) > 15
    assert [name for name in named if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("path", [PROMISES, SECURITY], ids=str)
def test_promises_and_threats_name_tests_that_are_there(path: Path) -> None:
    promised = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", documents()[path])
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


# --- drawn from the code ----------------------------------------------------------------------


def test_drawn_parts_agree_with_the_code() -> None:
    checked = subprocess.run(
        [sys.executable, "scripts/docs.d/main.py", "--check"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (checked.returncode, checked.stderr) == (0, "")


def test_every_limit_of_a_peer_is_in_the_table_of_bounds() -> None:
    rows = set(re.findall(r"^\| `([\w.]+)` \|", documents()[Path("docs/bounds.md")], re.MULTILINE))
    assert len(rows) > 90
    limits = {
        f"{module}.{node.name}.{statement.target.id}"
        for module, tree in modules().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
        and node.name in ("LinkLimits", "NewcomerLimits", "HttpLimits")
        for statement in node.body
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name)
    }
    assert len(limits) > 15
    # Limits of their own, which are rows themselves.
    limits.remove("derproto.triogrpc.core.link_limits.LinkLimits.newcomers")
    assert sorted(limits - rows) == []


# --- log lines ------------------------------------------------------------------------------------

FAILURES = Path("docs/failures.md")


def pieces(line: str) -> list[str]:
    """What a quoted log line says literally, between its names and figures."""
    parts = re.split(r"…|: | ?\w+=| \(|\d+", line)
    return [piece for piece in (part.strip(' :;,.()[]/"') for part in parts) if len(piece) >= 8]


def test_log_lines_that_are_quoted_are_logged() -> None:
    source = " ".join(
        node.value
        for tree in modules().values()
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )
    quoted = [code for code in CODE.findall(documents()[FAILURES]) if " " in code]
    assert len(quoted) > 20
    unknown = [piece for line in quoted for piece in pieces(line) if piece not in source]
    assert unknown == []


# --- length -----------------------------------------------------------------------------------

MOST_WORDS = {README: 1200, ARCHITECTURE: 3000}
"""Words of a front page, code and tables included, as ``wc -w`` counts them."""


@pytest.mark.parametrize("path", [*MOST_WORDS], ids=str)
def test_a_front_page_stays_short(path: Path) -> None:
    assert len((ROOT / path).read_text().split()) <= MOST_WORDS[path]


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
