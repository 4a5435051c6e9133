"""The launcher's log lines: the events of its agents in the form of the daemons. Pure."""

import logging
from collections.abc import Mapping

from rich.text import Text

from deragent.event_lines import EventLine
from derproto.stdio.log_lines import EventFormatter
from launcher.supervision.fleet_events import AgentEnded, AgentSaid, AgentStarted, FleetEvent
from launcher.supervision.output_lines import level_of

LOGGER = "launcher"

MOST_CHARACTERS = 16 * 1024
"""Characters of a line that an agent wrote. When full, the rest is cut off."""


class FleetLog:
    """Makes a line for each event, in one of the ``LOG_FORMATS``."""

    def __init__(self, form: str, *, colors: bool = False) -> None:
        self._formatter = EventFormatter(form, colors=colors)

    def line_of(self, event: FleetEvent) -> Text:
        """The line about an event. An agent's own log line stays as it is."""
        keys: dict[str, object]
        match event:
            case AgentStarted(pid=pid):
                said, keys = "agent started", {"pid": pid}
            case AgentEnded(how=how, lived_s=lived_s, wait_s=wait_s):
                said = "agent ended"
                keys = {"reason": how, "lived_s": round(lived_s, 1), "retry_in_s": wait_s}
            case AgentSaid(text=text) if level_of(text) is not None:
                return Text(one_line(text))
            case AgentSaid(text=text):
                said, keys = "agent said", {"text": text}
            case EventLine(kind=kind):
                said, keys = kind.value, event.log_keys()
        level = level_of_event(event)
        return self.line(event.at_us, level, said, {"agent": event.agent_id, **keys})

    def line(self, at_us: int, level: int, said: str, keys: Mapping[str, object]) -> Text:
        """The line of an event of the launcher itself."""
        return Text.from_ansi(self._formatter.line(at_us / 1e6, level, said, keys, LOGGER))

    def line_of_record(self, record: logging.LogRecord) -> Text:
        """The line of a record of ``logging``."""
        return Text.from_ansi(self._formatter.format(record))


def level_of_event(event: FleetEvent) -> int:
    """The level of the event's line, as ``logging`` has it."""
    match event:
        case AgentStarted():
            return logging.INFO
        case AgentSaid(text=text):
            level = level_of(text) or "warning"
            return logging.getLevelNamesMapping().get(level.upper(), logging.WARNING)
        case EventLine(log_level=log_level):
            return log_level
        case _:
            return logging.WARNING


def one_line(text: str) -> str:
    """One line of at most MOST_CHARACTERS, without anything that could control a terminal."""
    line = "".join(c if c.isprintable() else " " for c in text[:MOST_CHARACTERS])
    return line if len(text) <= MOST_CHARACTERS else f"{line} (cut)"
