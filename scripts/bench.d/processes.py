"""Child processes: pinned to cores, driven by lines of JSON, and ended with their block."""

import contextlib
import ctypes
import json
import os
import selectors
import signal
import socket
import subprocess
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from errors import Failed

STOP_S = 2.0
"""Seconds from SIGTERM to SIGKILL. Unstored data does not matter by then."""

_PR_SET_PDEATHSIG = 1
_TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
_libc = ctypes.CDLL(None, use_errno=True)


class Child:
    """A running process; see ``running``."""

    def __init__(self, popen: subprocess.Popen[bytes], name: str, log: Path) -> None:
        self._popen = popen
        self._log = log
        self._unread = b""
        self.name = name
        self.pid = popen.pid

    def say(self, line: str) -> None:
        """Writes a line to its standard input. Raises: Failed if it has ended."""
        assert self._popen.stdin is not None
        try:
            self._popen.stdin.write(line.encode() + b"\n")
            self._popen.stdin.flush()
        except OSError:
            raise Failed(self._obituary()) from None

    def hear(self, timeout_s: float) -> dict[str, Any]:
        """The next line of its standard output, a JSON object.

        Raises: Failed if none comes in time, it ends, or it says something else.
        """
        line = self._line(timeout_s)
        try:
            heard = json.loads(line)
        except ValueError:
            raise Failed(f"{self.name} said {line[:200]!r}") from None
        assert isinstance(heard, dict)
        return heard

    def ask(self, line: str, timeout_s: float) -> dict[str, Any]:
        """Its answer to a line."""
        self.say(line)
        return self.hear(timeout_s)

    def _line(self, timeout_s: float) -> bytes:
        assert self._popen.stdout is not None
        deadline = time.monotonic() + timeout_s
        with selectors.DefaultSelector() as selector:
            selector.register(self._popen.stdout, selectors.EVENT_READ)
            while b"\n" not in self._unread:
                left_s = deadline - time.monotonic()
                if left_s <= 0 or not selector.select(left_s):
                    raise Failed(f"{self.name} did not answer within {timeout_s:.0f} s")
                chunk = os.read(self._popen.stdout.fileno(), 65536)
                if not chunk:
                    raise Failed(self._obituary())
                self._unread += chunk
        line, self._unread = self._unread.split(b"\n", 1)
        return line

    def wait(self, timeout_s: float) -> bytes:
        """The rest of its output, once it has ended. Raises: Failed if it does not, or badly."""
        try:
            output, _ = self._popen.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            raise Failed(f"{self.name} did not end within {timeout_s:.0f} s") from None
        if self._popen.returncode != 0:
            raise Failed(self._obituary())
        return output

    def check(self) -> None:
        """Raises: Failed if it has ended."""
        if self._popen.poll() is not None:
            raise Failed(self._obituary())

    def cpu_s(self) -> float:
        """CPU time of all its threads up to now, seconds, in steps of 10 ms."""
        return sum(self._stat()[11:13]) / _TICKS_A_SECOND

    def _stat(self) -> list[int]:
        try:
            text = Path(f"/proc/{self.pid}/stat").read_text()
        except OSError:
            raise Failed(self._obituary()) from None
        # The name, in brackets, may hold anything; the numbers begin after the state.
        return [0, *map(int, text.rpartition(")")[2].split()[1:])]

    def rss_kb(self) -> int:
        """Resident memory, KiB."""
        try:
            for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
                if line.startswith("VmRSS:"):
                    return int(line.split()[1])
        except OSError:
            pass
        raise Failed(self._obituary())

    def stop(self) -> None:
        """Ends the process, whatever its state."""
        if self._popen.stdin is not None:
            with contextlib.suppress(OSError):
                self._popen.stdin.close()
        if self._popen.poll() is None:
            self._popen.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._popen.wait(STOP_S)
        if self._popen.poll() is None:
            self._popen.kill()
            self._popen.wait()
        if self._popen.stdout is not None:
            self._popen.stdout.close()

    def _obituary(self) -> str:
        """The error that the process has ended: how, and its last line."""
        try:
            code = self._popen.wait(1)
        except subprocess.TimeoutExpired:
            return f"{self.name} closed its end of the pipe"
        last = self._log.read_text(errors="replace").strip().splitlines()[-1:]
        ended = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"exited with {code}"
        return f"{self.name} {ended}" + (f": {last[0][:200]}" if last else f"; see {self._log}")


@contextlib.contextmanager
def running(
    name: str,
    command: Sequence[object],
    *,
    cores: Collection[int],
    logs: Path,
    environment: Mapping[str, str] | None = None,
) -> Iterator[Child]:
    """A command on these cores while the block runs; its errors go to a file in ``logs``.

    It ends with the block, and, should this process be killed, with this process.
    """
    log = logs / f"{name}.log"

    def prepare() -> None:
        os.sched_setaffinity(0, cores)
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)

    with log.open("wb") as errors:
        child = Child(
            subprocess.Popen(
                [str(part) for part in command],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env={**os.environ, "PYTHONUNBUFFERED": "1", **(environment or {})},
                # Ctrl-C reaches the benchmark alone, which then ends its children in order.
                start_new_session=True,
                preexec_fn=prepare,
            ),
            name,
            log,
        )
    try:
        yield child
    finally:
        child.stop()


def free_port() -> int:
    """A TCP port on loopback that is not in use."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_listening(child: Child, port: int, timeout_s: float) -> None:
    """Returns once the port is open. Raises: Failed if it is not in time, or the process ends."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        child.check()
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise Failed(f"{child.name} did not listen within {timeout_s:.0f} s")
