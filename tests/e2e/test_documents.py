"""What the documents for users say to type works, typed as it stands.

Blocks of ``sh`` and ``python`` are run in their order, in one folder, against a headend with the
demo's fleet. A block marked ``fails`` must fail.
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.support.processes.world import World, running
from tests.support.waiting import eventually

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parents[2]
DOCUMENTS = ("control-room.md", "integrators.md")
BLOCK = re.compile(r"^```(sh|python)( fails)?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# Errors of HTTP are errors of curl, which else says nothing of its progress.
CURL = "fail-with-body\nsilent\nshow-error\nmax-time = 20\n"


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    fleet = yaml.safe_load((ROOT / "scripts" / "demo.yaml").read_text(encoding="utf-8"))
    with running(tmp_path_factory.mktemp("demo"), fleet) as world:
        world.start_headend()
        world.start_fleet()
        eventually(
            "every asset speaks",
            lambda: all(each["stale"] is False for each in world.get("/telemetry")["items"]),
        )
        yield world


@pytest.mark.parametrize("name", DOCUMENTS)
def test_the_commands_in_the_documents_work(name: str, demo: World, tmp_path: Path) -> None:
    text = (ROOT / "docs" / name).read_text(encoding="utf-8")
    blocks = BLOCK.findall(text)
    assert len(blocks) > 1
    (tmp_path / ".curlrc").write_text(CURL, encoding="utf-8")
    host = demo.base.removeprefix("http://")
    environ = {
        **os.environ,
        "CURL_HOME": str(tmp_path),
        "DERHEAD_URL": demo.base,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    for language, fails, typed in blocks:
        code = typed.replace("localhost:8080", host)
        command = ["bash", "-euo", "pipefail", "-c"] if language == "sh" else [sys.executable, "-c"]
        done = subprocess.run(
            [*command, code],
            cwd=tmp_path,
            env=environ,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        said = f"{name}:\n{typed}\nsaid {done.returncode}\n{done.stdout}\n{done.stderr}"
        assert (done.returncode != 0) is bool(fails), said
