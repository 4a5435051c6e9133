"""What one client may take of the headend's HTTP server."""

from dataclasses import dataclass

from quart import Quart


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpLimits:
    """Bounds of every connection; each says what happens beyond it."""

    max_connections: int = 2000
    """Open at once. When full: a new one is closed before a byte is read of it."""
    idle_s: float = 15.0
    """Without a complete request header: after connecting, between two requests, and while
    a header drips in. Then the connection is closed."""
    body_s: float = 10.0
    """From a request's header to the end of its body. Then 408."""
    body_bytes: int = 64 * 1024
    """Of a request. Above it 413."""
    send_s: float = 10.0
    """For a client to take 64 KiB of an answer. Then the connection is closed."""
    response_s: float = 60.0
    """For an answer: to its first byte, from piece to piece, and in all. Then the connection is
    closed."""
    stream_s: float = 30.0
    """For a reader of an event stream to take 64 KiB of it. Then the connection is closed."""
    grace_s: float = 2.0
    """For answers that are on their way when the server stops."""

    def apply(self, app: Quart) -> None:
        """Sets those of the limits that the app itself keeps."""
        app.config["MAX_CONTENT_LENGTH"] = self.body_bytes
        app.config["BODY_TIMEOUT"] = self.body_s
        app.config["RESPONSE_TIMEOUT"] = self.response_s
