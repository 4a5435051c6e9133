"""The scripts say what they do, and commit hooks run the project's own tools."""

import os
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.support.repository import ROOT, tracked_files

SCRIPTS = sorted(
    path
    for path in tracked_files()
    if path.parent == Path("scripts") and os.access(ROOT / path, os.X_OK)
)


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("script", SCRIPTS, ids=str)
def test_a_script_begins_with_its_usage(script: Path) -> None:
    usage, after = (ROOT / script).read_text().splitlines()[1:3]
    assert usage.startswith(f"# {script}")
    assert after == "#"


BASH_SCRIPTS = [
    *("environment", "install", "lint", "openapi-examples", "proto", "screenshots", "test"),
    *("rehearse", "soak", "torture", "uninstall"),
]
"""Scripts whose help is their own head; the help of the others is argparse's."""


@pytest.mark.parametrize("name", BASH_SCRIPTS)
def test_help_is_the_scripts_own_head(name: str) -> None:
    shown = run(f"scripts/{name}", "--help")
    assert (shown.returncode, shown.stderr) == (0, "")
    lines = shown.stdout.splitlines()
    assert lines[0].startswith(f"scripts/{name}")
    head = (ROOT / f"scripts/{name}").read_text().splitlines()[1:]
    assert [f"# {line}".rstrip() for line in lines] == head[: len(lines)]
    assert head[len(lines)].startswith("set ")


def test_a_python_that_is_not_there_is_named() -> None:
    refused = run("scripts/test", "--python", "3.99")
    assert refused.returncode == 2
    assert "found no python3.99 on PATH, nor a version 3.99 of pyenv" in refused.stderr
    assert not (ROOT / ".venv-3.99").exists()


def test_commit_hooks_download_nothing() -> None:
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
    (repository,) = config["repos"]
    assert repository["repo"] == "local"
    assert {hook["language"] for hook in repository["hooks"]} == {"system"}
    lint = (ROOT / "scripts/lint").read_text()
    for hook in repository["hooks"]:
        assert hook["entry"].startswith(".venv/bin/")
        assert hook["entry"].replace(".venv/bin/", "$bin/") in lint
