"""Events as the bytes of an event stream (text/event-stream, HTML's server-sent events): pure."""

from collections.abc import Iterable

RETRY_MS = 2000
"""How long a browser waits before it comes back."""

RETRY = b"retry: %d\n\n" % RETRY_MS


def frame(kind: str, data: str, event_id: int | None = None) -> bytes:
    """One event; ``data`` is JSON, so it is one line of ASCII."""
    number = "" if event_id is None else f"id: {event_id}\n"
    return f"{number}event: {kind}\ndata: {data}\n\n".encode("ascii")


def telemetry_frame(items: Iterable[str]) -> bytes:
    """What became of assets, each of ``items`` one's JSON.

    Without an id: whoever comes back is told of all assets anew.
    """
    return frame("telemetry", f'{{"items":[{",".join(items)}]}}')


def alive_frame(data: str, event_id: int) -> bytes:
    """A sign of life: a comment for proxies, an event for those who watch for silence.

    It has the id of the newest event that the reader was spared or sent, so that it need not
    be looked for again when the reader comes back.
    """
    return b": alive\n" + frame("alive", data, event_id)
