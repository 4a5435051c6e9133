"""An event stream's bytes as events: pure."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StreamEvent:
    """One event of ``/events``."""

    kind: str
    data: str
    """JSON."""


class EventParser:
    """Takes bytes as they come, and gives the events that are whole."""

    def __init__(self) -> None:
        self._rest = b""
        self.last_id: str | None = None
        """The newest id; to be given to the headend after a break."""

    def feed(self, data: bytes) -> list[StreamEvent]:
        """The events that these bytes complete."""
        *blocks, self._rest = (self._rest + data).split(b"\n\n")
        found = map(self._parse, blocks)
        return [event for event in found if event is not None]

    def _parse(self, block: bytes) -> StreamEvent | None:
        kind, data = "message", list[str]()
        for line in block.decode().split("\n"):
            name, _, value = line.partition(":")
            value = value.removeprefix(" ")
            match name:
                case "event":
                    kind = value
                case "data":
                    data.append(value)
                case "id":
                    self.last_id = value
                case _:
                    pass
        return StreamEvent(kind, "\n".join(data)) if data else None
