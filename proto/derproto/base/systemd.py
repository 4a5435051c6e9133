"""What a daemon tells systemd of itself: datagrams to the socket that ``NOTIFY_SOCKET`` names.

``sd_notify(3)`` in some lines, so that a unit of ``Type=notify`` knows when the daemon is
ready, and waits for one whose start takes long. Without that variable nothing is sent.
"""

import logging
import socket
from collections.abc import Mapping

log = logging.getLogger(__name__)


class Notifier:
    """Tells systemd, if it started this process and wants to know; else nobody.

    Nothing here blocks or raises: a message that cannot be sent is logged once and dropped.
    """

    def __init__(self, address: str = "") -> None:
        # A leading @ stands for the NUL of an abstract address.
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        self._has_failed = False

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> "Notifier":
        return cls(environ.get("NOTIFY_SOCKET", ""))

    def ready(self) -> None:
        """The daemon does its work from here on."""
        self._send("READY=1", "STATUS=running")

    def stopping(self) -> None:
        """It has begun to stop."""
        self._send("STOPPING=1", "STATUS=stopping")

    def busy(self, status: str, within_s: float) -> None:
        """It is at work on its start or stop, and will say more within that time."""
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
                log.warning("systemd cannot be told (%s): %s", error, lines[0])
            self._has_failed = True


NOBODY = Notifier()
"""Tells nobody."""
