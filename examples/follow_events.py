"""A client that follows ``GET /events``, and misses nothing when the connection breaks.

Agents' and dispatches' events have ids. After a break the client sends the last id that it
saw as ``Last-Event-ID``, and the headend continues from there, also after its own restart.
Telemetry has no ids: the headend sends the newest sample of each asset again.
"""

import argparse
import http.client
import json
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

SILENCE_S = 30.0
"""The headend sends ``alive`` every 10 s. After this long without a line, the stream is lost."""
RETRY_S = 1.0


@dataclass(frozen=True)
class Event:
    """One event. ``id`` is None where the event is not part of the log."""

    kind: str
    data: Any
    id: str | None


def follow(url: str) -> Iterator[Event]:
    """Yields events for ever, over as many connections as it takes."""
    last_id: str | None = None
    while True:
        try:
            for event in _one_stream(url, last_id):
                last_id = event.id or last_id
                yield event
        except urllib.error.HTTPError as refused:
            if refused.code < 500:
                raise
            print(f"# {refused}; trying again")
        except (OSError, http.client.HTTPException) as broken:
            print(f"# {broken!r}; trying again")
        time.sleep(RETRY_S)


def _one_stream(url: str, last_id: str | None) -> Iterator[Event]:
    request = urllib.request.Request(url)
    if last_id is not None:
        request.add_header("Last-Event-ID", last_id)
    with urllib.request.urlopen(request, timeout=SILENCE_S) as stream:
        fields: dict[str, str] = {}
        for raw in stream:
            line = raw.decode().rstrip("\n")
            name, _, value = line.partition(": ")
            if line:
                fields[name] = value
                continue
            if "data" in fields:
                yield Event(fields["event"], json.loads(fields["data"]), fields.get("id"))
            fields = {}


def describe(event: Event) -> str:
    """One line for people."""
    match event.kind:
        case "hello" if not event.data["resumed"]:
            return "events before this one are not told: load from the API what you show"
        case "telemetry":
            return " ".join(f"{s['asset_name']}={s['p_mw']} MW" for s in event.data["items"])
        case "agent":
            return f"{event.data['agent_id']} {event.data['change']}"
        case "dispatch":
            dispatch = event.data["dispatch"]
            return f"{dispatch['id']} {dispatch['state']}"
        case _:
            return ""


def main() -> None:
    parser = argparse.ArgumentParser(description="Prints a headend's events, one a line.")
    parser.add_argument("headend", nargs="?", default="http://127.0.0.1:8080")
    options = parser.parse_args()
    try:
        for event in follow(f"{options.headend}/events"):
            print(event.id or "-", event.kind, describe(event), flush=True)
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()
