"""Which lines a fleet has at which level."""

import logging
from collections.abc import Iterator

import pytest
import trio

from deragent.event_lines import EventKind, EventLine
from launcher.display.fleet_stage import FleetStage
from launcher.supervision.fleet_events import AgentEnded, AgentSaid, AgentStarted

INFO = ["derlaunch starts", "agent started", "connected", "fleet counted"]
WARNINGS = ["disconnected", "agent ended", "agent said", "of the agent", "of this process"]


@pytest.fixture(autouse=True)
def _no_logging() -> Iterator[None]:
    yield
    logging.basicConfig(level=logging.WARNING, handlers=[], force=True)
    logging.captureWarnings(False)


@pytest.mark.parametrize(
    ("level", "shown"),
    [
        ("debug", [*INFO, *WARNINGS, "a detail", "an error"]),
        (None, [*INFO, *WARNINGS, "an error"]),
        ("warning", [*WARNINGS, "an error"]),
        ("error", ["an error"]),
    ],
)
async def test_lines_below_the_level_are_left_out(
    level: str | None, shown: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    stage = FleetStage({"a": "mesa"}, lambda _id: None, "logfmt", lambda: 0, level)
    stage.tell("derlaunch starts")
    stage.take(AgentStarted(0, "a", 7))
    stage.take(EventLine(0, "a", EventKind.CONNECTED, {}))
    stage.take(EventLine(0, "a", EventKind.DISCONNECTED, {"reason": "away"}))
    stage.take(AgentEnded(0, "a", "killed", 1.0, 1.0))
    stage.take(AgentSaid(0, "a", "no log line"))
    stage.take(AgentSaid(0, "a", 'ts=x level=warning event="of the agent"'))
    stage.take(AgentSaid(0, "a", 'ts=x level=error event="an error"'))
    logging.getLogger("library").warning("of this process")
    logging.getLogger("library").debug("a detail")
    logging.getLogger("hpack").debug("a secret")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stage.screen.keep_screen)
        stage.screen.finish()
    text = capfd.readouterr().out
    every = [*INFO, *WARNINGS, "a detail", "an error", "a secret"]
    assert [said for said in every if f"event={said}" in text or f'event="{said}"' in text] == shown
