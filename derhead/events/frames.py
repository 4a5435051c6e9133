"""Events as the bytes of an event stream (text/event-stream, HTML's server-sent events): pure."""

from collections.abc import Iterable

RETRY_MS = 2000
"""How long a browser waits before it reconnects."""

RETRY = b"retry: %d\n\n" % RETRY_MS


def frame(kind: str, data: str, event_id: int | None = None) -> bytes:
    """One event; ``data`` is JSON, in one line of ASCII."""
    number = "" if event_id is None else f"id: {event_id}\n"
    return f"{number}event: {kind}\ndata: {data}\n\n".encode("ascii")


def telemetry_frame(items: Iterable[str]) -> bytes:
    """The newest telemetry of some assets; ``items`` are their JSON.

    It has no id: a reader that reconnects gets all assets again.
    """
    return frame("telemetry", f'{{"items":[{",".join(items)}]}}')


def alive_frame(data: str, event_id: int) -> bytes:
    """A sign of life: a comment for proxies, and an event for clients that watch for silence.

    Its id is that of the newest event that the reader has got or does not want. A reader that
    reconnects resumes after that event.
    """
    return b": alive\n" + frame("alive", data, event_id)
