"""``deragent commission``: what must be mended before it touches a device."""

from pathlib import Path

import pytest

from deragent.cli import main
from deragent.timelines.timeline_file import TimelineFile
from tests.unit.config.bad_file import one_asset


@pytest.fixture
def assets(tmp_path: Path) -> Path:
    path = tmp_path / "assets.yaml"
    path.write_text(one_asset("device: {driver: simulated}"), encoding="utf-8")
    return path


WRONG = [
    (["B2"], "ASSET: there is no asset 'B2' in"),
    (["B1", "--page", "no/such/page.html"], "--page: no/such/page.html cannot be a file"),
    (["B1"], "--yes: there is no terminal to ask at; give --yes"),
]


@pytest.mark.parametrize(("arguments", "words"), WRONG)
def test_what_is_wrong_with_the_command_is_said_before_the_device_is_told(
    assets: Path,
    arguments: list[str],
    words: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(assets.parent)
    assert main(["commission", *arguments, "--assets", str(assets)]) == 2
    assert words in capsys.readouterr().err


def test_without_assets_it_says_which_flag_is_missing(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["commission", "B1"]) == 2
    assert "--assets: missing" in capsys.readouterr().err


def test_it_does_not_run_beside_the_agent(
    assets: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "data"
    held = TimelineFile(data)
    try:
        flags = ["--assets", str(assets), "--data", str(data), "--yes"]
        assert main(["commission", "B1", *flags]) == 1
    finally:
        held.close()
    assert "another agent keeps its timelines in this folder" in capsys.readouterr().err
