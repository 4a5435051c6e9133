"""A disk that is full under a real headend, and has room again."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import httpx
import pytest

from derproto.base.timefmt import parse_us
from tests.support.fleets import BATTERY, LOAD, fleet
from tests.support.processes.disk import SmallDisk, small_disk
from tests.support.processes.world import World, running
from tests.support.waiting import eventually

pytestmark = pytest.mark.e2e

PERIOD_S = 0.2
OUTAGE_S = 6.0


def ready(world: World) -> dict[str, object]:
    body: dict[str, object] = httpx.get(f"{world.base}/readyz", timeout=10).json()
    return body


@contextmanager
def on_small_disk(folder: Path) -> Iterator[tuple[World, SmallDisk]]:
    """A world whose headend keeps its data on a small disk."""
    with (
        small_disk(folder / "disk") as disk,
        running(folder / "world", fleet(), {"telemetry_period_s": PERIOD_S}) as world,
    ):
        (world.folder / "derhead").symlink_to(disk.folder)
        yield world, disk


def test_a_full_disk_loses_nothing_and_running_dispatches_stay_under_control(
    tmp_path: Path,
) -> None:
    with on_small_disk(tmp_path) as (world, disk):
        headend, *_ = world.start(BATTERY, LOAD)
        withdrawn = world.order(BATTERY, 0.5, duration_s=3600)["id"]
        ending = world.order(LOAD, -0.3, duration_s=OUTAGE_S / 2)["id"]
        world.wait_state(withdrawn, "started")
        world.wait_state(ending, "started")
        eventually("samples", lambda: len(world.history(BATTERY)) >= 5)

        disk.fill(headend.popen.pid)
        eventually("the headend is unready", lambda: ready(world)["status"] == "unready")
        since = time.monotonic()
        # Ingest stops, reads go on, and the newest sample is still shown.
        stored = len(world.history(BATTERY))
        seen = world.get(f"/telemetry/{BATTERY}")["ts"]
        eventually("a newer sample", lambda: world.get(f"/telemetry/{BATTERY}")["ts"] != seen)
        assert "cannot write to its disk" in str(ready(world))
        # Orders are refused, with the reason.
        refused = httpx.post(f"{world.base}/dispatch", json={"asset_id": LOAD, "mw": -0.1})
        assert refused.status_code == 503
        assert refused.headers["content-type"] == "application/problem+json"
        assert "cannot write to its disk" in refused.json()["detail"]
        assert world.get("/dispatch/history")["items"][0]["id"] == ending
        if disk.mounted:
            # What runs is controlled, and told of.
            answer = httpx.delete(f"{world.base}/dispatch/{withdrawn}", timeout=10)
            assert answer.status_code in (200, 202), answer.text
            world.wait_state(withdrawn, "cancelled")
            world.wait_state(ending, "completed")
        eventually("the outage has lasted", lambda: time.monotonic() - since > OUTAGE_S)
        assert len(world.history(BATTERY)) <= stored + 1

        disk.empty(headend.popen.pid)
        eventually("the headend is ready", lambda: ready(world)["status"] != "unready")
        assert headend.alive
        for asset_id in (BATTERY, LOAD):
            # No hole: every sample is there that was measured meanwhile.
            resumed = world.get(f"/telemetry/{asset_id}")["ts"]
            eventually(
                "the newest is stored",
                lambda r=resumed, a=asset_id: r in [s["ts"] for s in world.history(a)],  # type: ignore[misc]
            )
            times = sorted(parse_us(sample["ts"]) for sample in world.history(asset_id))
            gaps_s = [(b - a) / 1e6 for a, b in pairwise(times)]
            assert len(set(times)) == len(times)
            assert max(gaps_s) < 2 * PERIOD_S
            assert (times[-1] - times[0]) / 1e6 > OUTAGE_S
        assert world.order(LOAD, -0.2, duration_s=60)["state"] in ("pending", "sent")
        assert "commits work again" in headend.text()


def test_a_headend_starts_on_a_full_disk_and_takes_telemetry_once_it_has_room(
    tmp_path: Path,
) -> None:
    with on_small_disk(tmp_path) as (world, disk):
        headend, *_ = world.start(BATTERY)
        eventually("samples", lambda: len(world.history(BATTERY)) >= 5)
        headend.kill()
        stored = None
        if disk.mounted:
            disk.fill(headend.popen.pid)
            headend = world.start_headend(status=503)
            assert ready(world)["status"] == "unready"
            world.wait_online(BATTERY)
            stored = len(world.history(BATTERY))
            disk.empty(headend.popen.pid)
        else:
            headend = world.start_headend()
        eventually("the headend is ready", lambda: ready(world)["status"] != "unready")
        eventually("more samples", lambda: len(world.history(BATTERY)) >= (stored or 0) + 5)
        times = sorted(parse_us(sample["ts"]) for sample in world.history(BATTERY))
        gaps_s = [(b - a) / 1e6 for a, b in pairwise(times)]
        assert max(gaps_s) < 2 * PERIOD_S
        assert headend.stop() == 0
