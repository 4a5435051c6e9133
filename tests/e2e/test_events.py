"""Events through the real headend, read with curl as anyone would."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.api.event_text import ReceivedEvent, parse_event
from tests.support.fleets import BATTERY, fleet
from tests.support.processes.world import World, running
from tests.support.waiting import eventually

pytestmark = pytest.mark.e2e


class Curl:
    """``curl -N`` on /events, its output in a file."""

    def __init__(self, world: World, query: str, last_id: int | None = None) -> None:
        self.output = world.folder / f"events-{last_id}.txt"
        field = [] if last_id is None else ["-H", f"Last-Event-ID: {last_id}"]
        url = f"{world.base}/events{query}"
        self.process = subprocess.Popen(
            ["curl", "--silent", "--show-error", "--no-buffer", *field, url, "-o", self.output],
        )

    def told(self) -> list[ReceivedEvent]:
        """All events up to now."""
        text = self.output.read_text() if self.output.exists() else ""
        # What has not ended yet is left.
        found = map(parse_event, text.split("\n\n")[:-1])
        return [told for told in found if told is not None]

    def logged(self) -> list[ReceivedEvent]:
        return [told for told in self.told() if told.kind in ("agent", "dispatch")]

    def states(self) -> list[str]:
        return [t.data["dispatch"]["state"] for t in self.told() if t.kind == "dispatch"]


@contextmanager
def reading(world: World, query: str = "", last_id: int | None = None) -> Iterator[Curl]:
    curl = Curl(world, query, last_id)
    try:
        eventually("curl is told hello", curl.told)
        yield curl
    finally:
        curl.process.kill()
        curl.process.wait()


def test_curl_follows_an_agent_a_dispatch_and_the_events_it_missed(tmp_path: Path) -> None:
    with running(tmp_path / "world", fleet(), {"telemetry_period_s": 0.5}) as world:
        headend = world.start_headend()
        with reading(world) as curl:
            agent = world.start_agent(BATTERY)
            world.wait_online(BATTERY)
            world.order(BATTERY, 1.0, duration_s=3)
            eventually("it ends", lambda: "completed" in curl.states())
            eventually("it moves", lambda: _powers(curl.told()) >= {1.0})
            before = curl.logged()
            assert before[0].data["change"] == "connected"
            assert [t.id for t in before] == sorted(t.id or 0 for t in before)
            # Stopped, the headend ends the stream in order.
            headend.stop()
            assert curl.process.wait(10) == 0
            last_id = curl.told()[-1].id or before[-1].id
        world.start_headend()
        world.wait_online(BATTERY)
        agent.stop()
        with reading(world, "?kind=agent,dispatch", last_id) as again:
            for told in (*curl.told(), *again.told()):
                told.hold()
            assert again.told()[0].data["resumed"] is True
            eventually("the agent's end is told", lambda: "closed by agent" in _reasons(again))
            missed = again.logged()
            assert _reasons(again)[:2] == ["draining", None]
            first = before[0].id or 0
            everything = [told.id for told in (*before, *missed)]
            assert everything == list(range(first, first + len(everything)))


def _powers(told: list[ReceivedEvent]) -> set[float]:
    frames = [each.data["items"] for each in told if each.kind == "telemetry"]
    return {item["p_mw"] for items in frames for item in items if item["asset_id"] == BATTERY}


def _reasons(curl: Curl) -> list[str | None]:
    return [told.data["reason"] for told in curl.logged() if told.kind == "agent"]
