"""``derhead backup`` beside a headend at work, and ``derhead restore`` once it is stopped."""

import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from derproto.base.timefmt import parse_us
from tests.support.fleets import BATTERY, fleet
from tests.support.processes.world import FAST, World, running
from tests.support.waiting import eventually

pytestmark = pytest.mark.e2e


def derhead(world: World, command: str, file: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            *(sys.executable, "-m", "derhead", command, file),
            *("--data", world.folder / "derhead"),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def times(world: World) -> set[int]:
    """When the battery's samples were measured."""
    return {parse_us(item["ts"]) for item in world.history(BATTERY)}


def delivered(world: World, before: set[int]) -> set[int]:
    """Samples since then that the agent does not keep any more, and will not send again."""
    heartbeat = world.get(f"/heartbeat/{BATTERY}")
    since = sorted(each for each in times(world) - before if each < parse_us(heartbeat["ts"]))
    return set(since[: max(0, len(since) - heartbeat["outbox_rows"])])


def test_a_headend_goes_on_from_its_backup(tmp_path: Path) -> None:
    backup = tmp_path / "backup.db"
    with running(tmp_path / "world", fleet(), FAST) as world:
        headend = world.start_headend()
        world.start_agent(BATTERY)
        world.wait_online(BATTERY)
        before = world.order(BATTERY, 0.5, duration_s=3600)
        world.wait_state(before["id"], "started")
        eventually("10 samples", lambda: len(times(world)) >= 10)
        within = times(world)
        made = derhead(world, "backup", backup)
        assert made.returncode == 0, made.stderr
        assert "checked" in made.stdout
        at_most = times(world)
        after = world.order(BATTERY, 0.2, duration_s=3600)
        world.wait_state(after["id"], "started")
        refused = derhead(world, "restore", backup)
        assert refused.returncode == 1
        assert f"another headend (pid {headend.popen.pid})" in refused.stderr
        forgotten = eventually("more are acknowledged", partial(delivered, world, at_most))
        assert headend.stop() == 0
        restored = derhead(world, "restore", backup)
        assert restored.returncode == 0, restored.stderr
        (kept,) = (world.folder / "derhead").glob("journal.db.before-restore-*Z")
        assert f"{kept}: the journal before it" in restored.stdout
        headend = world.start_headend()
        assert world.check("journal") == "ready"
        # The order that the backup knows is the one in force again, and the agent is told to
        # give up the other one, of which this headend knows nothing.
        assert world.ask("GET", f"/dispatch/{after['id']}").status_code == 404
        afterwards = times(world)
        assert within <= afterwards
        assert not forgotten & afterwards
        world.wait_online(BATTERY)
        assert world.get(f"/dispatch/{before['id']}")["mw"] == 0.5
        eventually(
            "the battery is on its own again",
            lambda: world.get(f"/telemetry/{BATTERY}")["setpoint_mw"] != 0.2,
        )
        eventually("new samples", lambda: times(world) - afterwards)
        # As the backup was: nothing of it is for others.
        assert {file.stat().st_mode & 0o777 for file in (backup, kept)} == {0o640}
