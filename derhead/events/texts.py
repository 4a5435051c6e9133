"""Rendering that the hub borrows from the API. Pure."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from derhead.events.board import Look
from derhead.events.logged_events import LoggedEvent
from derproto.configuration.fleet import Asset


class TelemetryTexts(Protocol):
    """The newest telemetry."""

    def looks(self, assets: Iterable[Asset]) -> Iterable[tuple[str, Look]]:
        """The id and the present look of each asset."""

    def written(self, assets: Iterable[Asset]) -> Iterable[str]:
        """The newest telemetry of each asset, as JSON."""


@dataclass(frozen=True, slots=True)
class EventTexts:
    """All texts of the stream, as JSON in one line of ASCII."""

    telemetry: TelemetryTexts
    event: Callable[[LoggedEvent], str]
    hello: Callable[[bool, str], str]
    """The first event; the arguments say whether the reader has missed nothing, and the tag of
    the fleet."""
    alive: Callable[[], str]
