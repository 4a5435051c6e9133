"""Assets files of one asset, and the problems of a file."""

from itertools import count
from pathlib import Path

import pytest

from derproto.configuration.assets_file import load_fleet
from derproto.configuration.problems import ConfigError

SITE = "00000000-0000-4000-8000-0000000000a1"

OTHER_SITE = "00000000-0000-4000-8000-0000000000a2"
ASSET = "00000000-0000-4000-8000-0000000000b1"
OTHER = "00000000-0000-4000-8000-0000000000b2"


def problems_of(tmp_path: Path, text: str) -> list[str]:
    """The problem lines of a file, without its folder; new ids count from 1."""
    path = tmp_path / "assets.yaml"
    path.write_text(text, encoding="utf-8")
    ids = count(1)
    with pytest.raises(ConfigError) as caught:
        load_fleet(path, new_id=lambda: f"<new {next(ids)}>")
    assert str(caught.value).splitlines() == [str(problem) for problem in caught.value.problems]
    return [line.removeprefix(f"{tmp_path}/") for line in str(caught.value).splitlines()]


def one_asset(changes: str, *, without: tuple[str, ...] = (), kind: str = "battery") -> str:
    """A file with one site and one asset, on lines 5 to 10; ``changes`` stand from line 11."""
    lines = {
        "id": f"    id: {ASSET}",
        "name": "    name: B1",
        "site": "    site: North",
        "kind": f"    kind: {kind}",
        "rated_mw": "    rated_mw: 2",
        "energy_mwh": "    energy_mwh: 4" if kind == "battery" else "    # not a battery",
    }
    body = [f"    # {key}" if key in without else line for key, line in lines.items()]
    added = [f"    {line}" for line in changes.splitlines()]
    return "\n".join(
        ["sites:", f"  - {{id: {SITE}, name: North}}", "assets:", "  -", *body, *added, ""]
    )
