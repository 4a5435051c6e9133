"""Events that an agent reports to the program that started it, as lines of JSON: pure."""

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from derproto.base.timefmt import format_us, parse_us

Detail = Mapping[str, str | float | int | None]


class EventKind(StrEnum):
    """The kinds of events, each with the keys of its detail."""

    CONNECTING = "connecting"
    """The agent tries to connect: ``attempt`` since the last healthy session, from 1."""
    CONNECTED = "connected"
    """Welcome arrived: ``session_id``, ``telemetry_period_s``."""
    DISCONNECTED = "disconnected"
    """A session, or an attempt at one, ended: ``reason``, ``lived_s``, ``retry_in_s``."""
    ASSET_REFUSED = "asset_refused"
    """The headend refuses an asset: ``asset_id``, ``asset``, ``result``, ``reason``."""
    ASSET_GRANTED = "asset_granted"
    """The headend grants an asset that it refused before: ``asset_id``, ``asset``."""
    DISPATCH = "dispatch"
    """A dispatch changed: ``dispatch_id``, ``asset_id``, ``asset``, ``state``, ``mw`` (what
    the device was told, or None), ``reason``."""
    DEVICE_UNREACHABLE = "device_unreachable"
    """A device stopped answering: ``asset_id``, ``asset``, ``reason``."""
    DEVICE_FAULT = "device_fault"
    """A device answers, and something is wrong with it: ``asset_id``, ``asset``, ``reason``."""
    DEVICE_BACK = "device_back"
    """A device answers again, or its fault is over: ``asset_id``, ``asset``."""
    DEVICE_LOCAL = "device_local"
    """Someone at the site took control of a device: ``asset_id``, ``asset``."""
    DEVICE_REMOTE = "device_remote"
    """A device follows setpoints again: ``asset_id``, ``asset``."""
    DEVICE_IDENTIFIED = "device_identified"
    """A device says what it is: ``asset_id``, ``asset``, ``manufacturer``, ``model``, ``serial``,
    ``version``, ``rated_mw``."""
    NAMEPLATE_DIFFERS = "nameplate_differs"
    """A device has another rating than its asset: ``asset_id``, ``asset``, ``rated_mw`` of the
    asset, ``device_mw`` of the device."""
    OUTBOX_DROPPING = "outbox_dropping"
    """The outbox is full and begins to force out rows, once for each outage: ``dropped_rows``."""
    OUTBOX_DISK_FAILING = "outbox_disk_failing"
    """The outbox's file cannot be used, so samples stay in memory: ``reason``."""
    OUTBOX_DISK_BACK = "outbox_disk_back"
    """The outbox's file can be used again."""


_TROUBLE = frozenset(
    {
        EventKind.DISCONNECTED,
        EventKind.ASSET_REFUSED,
        EventKind.DEVICE_UNREACHABLE,
        EventKind.DEVICE_FAULT,
        EventKind.DEVICE_LOCAL,
        EventKind.NAMEPLATE_DIFFERS,
        EventKind.OUTBOX_DROPPING,
        EventKind.OUTBOX_DISK_FAILING,
    }
)
"""Kinds of events that are logged as warnings."""

_KEYS = {
    "asset_id": "asset",
    "asset": "asset_name",
    "session_id": "session",
    "dispatch_id": "dispatch",
}


@dataclass(frozen=True, slots=True)
class EventLine:
    """One event of one agent."""

    at_us: int
    """Microseconds since the epoch, by the agent's clock."""
    agent_id: str
    kind: EventKind
    detail: Detail = field(default_factory=lambda: MappingProxyType({}))

    @property
    def log_level(self) -> int:
        """The level of its log line, as ``logging`` has it."""
        return logging.WARNING if self.kind in _TROUBLE else logging.INFO

    def log_keys(self) -> dict[str, object]:
        """The detail with the keys of log lines: an id has the key that it has at the headend."""
        return {_KEYS.get(key, key): each for key, each in self.detail.items()}

    def to_line(self) -> str:
        """The event as JSON, without a line end."""
        return json.dumps(
            {
                "ts": format_us(self.at_us),
                "agent_id": self.agent_id,
                "event": self.kind.value,
                **self.detail,
            }
        )


def parse_line(line: str) -> EventLine:
    """The event that ``to_line`` wrote.

    Raises: ValueError for anything else.
    """
    fields = json.loads(line)
    if not isinstance(fields, dict):
        raise ValueError("not an event: the line is not a JSON object")
    try:
        at_us = parse_us(fields.pop("ts"))
        agent_id, kind = fields.pop("agent_id"), EventKind(fields.pop("event"))
    except (KeyError, TypeError) as missing:
        raise ValueError(f"not an event: {missing}") from None
    return EventLine(at_us, agent_id, kind, fields)


def link_status(event: EventLine, headend: str) -> str | None:
    """What ``systemctl status`` says of the link after the event; None = as before."""
    if event.kind is EventKind.CONNECTED:
        return f"connected to {headend}"
    if event.kind is EventKind.DISCONNECTED:
        return f"not connected to {headend}: {event.detail.get('reason')}"
    return None
