"""A daemon's messages to systemd: datagrams to the socket that ``NOTIFY_SOCKET`` names.

This is ``sd_notify(3)`` in a few lines. With a unit of ``Type=notify``, systemd learns when the
daemon is ready, waits for a long start or a reload, and restarts a daemon whose loop stands still.
Without that variable nothing is sent.
"""

import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import trio

from derproto.base.runtime import monotonic_us
from derproto.stdio.log_events import event_log

log = event_log(__name__)

BEATS = 4
"""Messages within ``WatchdogSec=``. systemd advises two. With four, the log shows a slow loop
before systemd ends the daemon."""

STATUS_CHARACTERS = 200
"""Characters of a status line. When full, the rest is cut off."""

VARIABLES = ("NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC")
"""Variables that systemd sets for the daemon alone. The daemon's own child processes get none."""


class Notifier:
    """Sends messages to systemd if it started this process and asked for them.

    No method blocks or raises: if a message cannot be sent, that is logged once.
    """

    def __init__(self, address: str = "", watchdog_s: float | None = None) -> None:
        # A leading @ stands for the NUL of an abstract address.
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        self._has_failed = False
        self._is_ready = False
        self._status = ""
        self.watchdog_s = watchdog_s
        """Silence after which systemd ends the daemon; None = it does not watch."""

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> "Notifier":
        address = environ.get("NOTIFY_SOCKET", "")
        watched = environ.get("WATCHDOG_PID", "") in ("", str(os.getpid()))
        usec = environ.get("WATCHDOG_USEC", "")
        is_set = bool(address) and watched and usec.isdecimal() and int(usec) > 0
        return cls(address, int(usec) / 1e6 if is_set else None)

    def ready(self, status: str = "running") -> None:
        """Reports that the daemon has started."""
        self._is_ready = True
        self._status = status
        self._send("READY=1", _line(status))

    @contextmanager
    def reload(self) -> Iterator[None]:
        """Reports that the daemon reloads its files, for the block.

        A daemon that is not ready yet reports nothing: the end of a reload would count as the end
        of its start.
        """
        if not self._is_ready:
            yield
            return
        self._send("RELOADING=1", f"MONOTONIC_USEC={monotonic_us()}", _line("reloading"))
        try:
            yield
        finally:
            if self._is_ready:
                self.ready(self._status)

    def stopping(self) -> None:
        """Reports that the daemon has begun to stop."""
        self._is_ready = False
        self._send("STOPPING=1", _line("stopping"))

    def busy(self, status: str, within_s: float) -> None:
        """Asks for more time to start or stop, until the next message."""
        self._send(f"EXTEND_TIMEOUT_USEC={round(within_s * 1e6)}", _line(status))

    def tell(self, status: str) -> None:
        """Sets the line that ``systemctl status`` shows."""
        self._status = status
        self._send(_line(status))

    def beat(self) -> None:
        """Reports that the loop turns."""
        self._send("WATCHDOG=1")

    def _send(self, *lines: str) -> None:
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
                sender.setblocking(False)
                sender.sendto("\n".join(lines).encode(), self._address)
        except OSError as error:
            if not self._has_failed:
                log.warning("cannot notify systemd", reason=error, state=lines[0])
            self._has_failed = True


def _line(text: str) -> str:
    """The line for ``systemctl status``: one line, whatever a peer has put into the text."""
    return f"STATUS={' '.join(text.split())[:STATUS_CHARACTERS]}"


NOBODY = Notifier()
"""A notifier that sends nothing."""


async def feed_watchdog(notifier: Notifier) -> None:
    """Reports to systemd that the loop turns, ``BEATS`` times in its period, until cancelled.

    The task needs only the loop, so a loop that stands still sends no beat. All other troubles are
    for ``/readyz``, because a restart would not end them. A late beat is logged. Returns at once if
    systemd does not watch.
    """
    watchdog_s = notifier.watchdog_s
    if watchdog_s is None:
        return
    period_s = watchdog_s / BEATS
    while True:
        notifier.beat()
        due_s = trio.current_time() + period_s
        await trio.sleep_until(due_s)
        late_s = trio.current_time() - due_s
        if late_s > period_s:
            log.warning("loop stood still", late_s=round(late_s, 1), watchdog_s=watchdog_s)
