"""The text of ``/events``, parsed into events."""

import json
from dataclasses import dataclass
from typing import Any

from tests.support.api.description import hold_event


@dataclass(frozen=True)
class ReceivedEvent:
    """One event, as a reader gets it."""

    kind: str
    data: Any
    id: int | None = None

    def hold(self) -> None:
        """Fails unless the API's description allows the event."""
        hold_event(self.kind, self.data)


def parse_event(text: str) -> ReceivedEvent | None:
    """The event of one block between empty lines; None if the block is a comment."""
    fields: dict[str, str] = {}
    for line in text.split("\n"):
        name, _colon, value = line.partition(":")
        if name:
            assert name not in fields
            fields[name] = value.removeprefix(" ")
    assert set(fields) <= {"id", "event", "data", "retry"}
    if "data" not in fields:
        return None
    number = fields.get("id")
    return ReceivedEvent(
        fields["event"], json.loads(fields["data"]), None if number is None else int(number)
    )
