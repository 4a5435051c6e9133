"""docs/configuration.md names every key, with its variable, and its examples are true."""

import re
from argparse import Namespace
from pathlib import Path

import pytest

import deragent.config
import derhead.config
from derhead.cli import main
from derproto.configuration.assets_file import (
    ASSET_KEYS,
    FAILSAFE_KEYS,
    LIMITS_KEYS,
    RESPONSE_KEYS,
    SITE_KEYS,
    load_fleet,
)
from derproto.configuration.fleet import AssetKind
from derproto.configuration.kinds import LOG_LEVELS
from derproto.configuration.settings import Settings
from tests.support.certificates import TestAuthority

TEXT = (Path(__file__).parents[3] / "docs/configuration.md").read_text(encoding="utf-8")


def block(label: str) -> str:
    """The example with that label."""
    (found,) = re.findall(rf"```{label}\n(.*?)```", TEXT, re.DOTALL)
    assert isinstance(found, str)
    return found


def rows(heading: str) -> list[str]:
    """First cells of the tables under a heading, without their backticks."""
    section = TEXT.partition(f"\n{heading}\n")[2]
    section = re.split(r"\n#+ ", section)[0]
    return re.findall(r"^\| `([a-z_.]+)` ", section, re.MULTILINE)


def keys_of(prefix: str) -> tuple[str, ...]:
    settings = Settings(prefix, {}, {})
    if prefix == "DERHEAD":
        derhead.config.read_config(settings, {})
    else:
        deragent.config.read_config(settings, {})
    return settings.keys


@pytest.mark.parametrize(
    ("heading", "prefix"), [("### derhead", "DERHEAD"), ("### deragent", "DERAGENT")]
)
def test_every_setting_has_a_row_with_its_variable(heading: str, prefix: str) -> None:
    keys = keys_of(prefix)
    assert sorted(rows(heading)) == sorted(keys)
    settings = Settings(prefix, {}, {})
    for key in keys:
        assert f"`{settings.variable(key)}`" in TEXT


def test_every_key_of_the_assets_file_has_a_row() -> None:
    assert rows("### A site") == list(SITE_KEYS)
    nested = [*LIMITS_KEYS, *FAILSAFE_KEYS, *RESPONSE_KEYS, "driver"]
    assert sorted(rows("### An asset")) == sorted([*ASSET_KEYS, *nested])
    for word in (*AssetKind, *LOG_LEVELS):
        assert f"`{word}`" in TEXT


def test_the_broken_example_gives_what_the_page_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("assets.yaml").write_text(block("yaml broken"), encoding="utf-8")
    assert main(["check", "--assets", "assets.yaml", "--http", "8080"]) == 2
    uuid = re.compile(r"(?<=paste this line: id: )[0-9a-f-]{36}")
    shown, said = block("text broken"), capsys.readouterr().err
    assert uuid.sub("…", said) == uuid.sub("…", shown)


def test_the_examples_load(tmp_path: Path) -> None:
    for label, file in [
        ("yaml assets", "assets.yaml"),
        ("yaml derhead", "derhead.yaml"),
        ("yaml deragent", "deragent.yaml"),
    ]:
        (tmp_path / file).write_text(block(label), encoding="utf-8")
    authority = TestAuthority.make(tmp_path / "tls", name="agents-ca")
    authority.write_server("headend")
    token = ["--role", "viewer", "--tokens", str(tmp_path / "tokens.yaml")]
    assert main(["token", "add", "grafana", *token]) == 0
    assert len(load_fleet(tmp_path / "assets.yaml").assets) == 3
    config, fleet = derhead.config.load(Namespace(config=str(tmp_path / "derhead.yaml")), {})
    assert (config.grpc.host, config.telemetry_period_s, len(fleet.sites)) == ("::", 2.0, 2)
    flags = Namespace(config=str(tmp_path / "deragent.yaml"))
    agent, plan = deragent.config.load(flags, {})
    assert agent.tls
    assert (plan.agent_id, [asset.name for asset in plan.assets]) == (
        "north-gateway",
        ["North roof", "North battery"],
    )
