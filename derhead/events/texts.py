"""How what is told is written: what the hub needs of whoever knows the API's shapes. Pure."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from derhead.events.board import Look
from derhead.events.logged_events import LoggedEvent
from derproto.base.fleet import Asset


class TelemetryTexts(Protocol):
    """The newest telemetry."""

    def looks(self, assets: Iterable[Asset]) -> Iterable[tuple[str, Look]]:
        """By id, how each of them looks now."""

    def written(self, assets: Iterable[Asset]) -> Iterable[str]:
        """Each one's telemetry as of now, as JSON."""


@dataclass(frozen=True, slots=True)
class EventTexts:
    """All that is told, as JSON in one line of ASCII."""

    telemetry: TelemetryTexts
    event: Callable[[LoggedEvent], str]
    hello: Callable[[bool], str]
    """The first event, for a reader who has missed nothing (True), or may have (False)."""
    alive: Callable[[], str]
