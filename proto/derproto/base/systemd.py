"""A daemon's messages to systemd: datagrams to the socket that ``NOTIFY_SOCKET`` names.

This is ``sd_notify(3)`` in a few lines: a unit of ``Type=notify`` learns when the daemon is ready,
and waits for a long start. Without that variable nothing is sent.
"""

import logging
import socket
from collections.abc import Mapping

log = logging.getLogger(__name__)


class Notifier:
    """Sends messages to systemd if it started this process and asked for them.

    No method blocks or raises: if a message cannot be sent, that is logged once.
    """

    def __init__(self, address: str = "") -> None:
        # A leading @ stands for the NUL of an abstract address.
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        self._has_failed = False

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> "Notifier":
        return cls(environ.get("NOTIFY_SOCKET", ""))

    def ready(self) -> None:
        """Reports that the daemon has started."""
        self._send("READY=1", "STATUS=running")

    def stopping(self) -> None:
        """Reports that the daemon has begun to stop."""
        self._send("STOPPING=1", "STATUS=stopping")

    def busy(self, status: str, within_s: float) -> None:
        """Asks for more time to start or stop, until the next message."""
        self._send(f"EXTEND_TIMEOUT_USEC={round(within_s * 1e6)}", f"STATUS={status}")

    def _send(self, *lines: str) -> None:
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
                sender.setblocking(False)
                sender.sendto("\n".join(lines).encode(), self._address)
        except OSError as error:
            if not self._has_failed:
                log.warning("cannot notify systemd (%s): %s", error, lines[0])
            self._has_failed = True


NOBODY = Notifier()
"""A notifier that sends nothing."""
