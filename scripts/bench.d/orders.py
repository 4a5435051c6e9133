"""Posts orders from outside, and notes when the journal shows each as ``started``.

This is a process of its own, with one thread and a few connections that stay open. Every
millisecond it reads the journal. In WAL mode other processes see a commit once its fsync has
returned, so a row that is visible here would survive a power cut.

    orders.py --port P --journal FILE --assets N

takes commands from standard input and answers each with a line of JSON:

    run RATE CONNECTIONS WARMUP SECONDS   posts RATE orders a second, to each asset in turn.
                                          With RATE 0 each connection posts again as soon as
                                          its last order was answered. Counting begins after
                                          WARMUP seconds and lasts for SECONDS
"""

import argparse
import json
import re
import resource
import selectors
import socket
import sqlite3
import sys
import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path

from fleets import RATED_MW, asset_id

WINDOW_S = 60
"""Length of each order's window: an asset's next order comes before, and supersedes it."""

LOOK_S = 0.001
LAST_S = 5.0
"""How long an order may take to be answered and started, seconds."""

_HEAD_END = b"\r\n\r\n"
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_ID = re.compile(rb'"id": ?"([0-9a-f-]{36})"')


@dataclass(slots=True)
class Line:
    """A connection, with at most one order on its way."""

    stream: socket.socket
    posted_s: float | None = None
    """When the order under way began; None without one."""
    read: bytearray = field(default_factory=bytearray)


@dataclass(slots=True)
class Tally:
    """The counts of one window: orders that began within it."""

    began_s: float
    until_s: float
    orders: int = 0
    refused: int = 0
    answered_us: list[int] = field(default_factory=list)
    """Times from the start of POST to its answer."""
    started_us: list[int] = field(default_factory=list)
    """Times from the start of POST to ``started`` in the journal."""
    started: int = 0
    """Dispatches of any order that became ``started`` in the journal within the window."""

    def holds(self, at_s: float) -> bool:
        return self.began_s <= at_s < self.until_s


def take_answer(read: bytearray) -> tuple[int, str] | None:
    """Status and dispatch of a whole answer, taken from what was read; None if it is not whole.

    The dispatch of one that is not 201 is "".
    """
    head_size = read.find(_HEAD_END)
    if head_size < 0:
        return None
    length = _LENGTH.search(read, 0, head_size)
    if length is None:
        raise ValueError(f"an answer without its length: {bytes(read[:head_size])!r}")
    size = head_size + len(_HEAD_END) + int(length[1])
    if len(read) < size:
        return None
    status = int(read[9:12])
    found = _ID.search(read, head_size, size) if status == 201 else None
    name = "" if found is None else found[1].decode()
    del read[:size]
    return status, name


class Journal:
    """The headend's journal, seen from another process."""

    def __init__(self, path: Path) -> None:
        self._file = sqlite3.connect(f"file:{path}?mode=ro", uri=True, isolation_level=None)
        self._version = -1

    def close(self) -> None:
        self._file.close()

    def look_anew(self) -> None:
        """Notes that further dispatches are awaited: rows in the journal may already show them."""
        self._version = -1

    def started(self, waiting: dict[str, float]) -> list[str]:
        """Those of these dispatches that the journal shows as ``started``."""
        (version,) = self._file.execute("PRAGMA data_version").fetchone()
        if not waiting or version == self._version:
            return []
        self._version = version
        rows = self._file.execute(
            "SELECT dispatch_id FROM dispatch_states WHERE state = 'started' AND dispatch_id IN"
            " (SELECT value FROM json_each(?))",
            (json.dumps(list(waiting)),),
        )
        return [name for (name,) in rows]


class Orders:
    """Posts orders and watches the journal."""

    def __init__(self, port: int, journal: Path, assets: int) -> None:
        self._address = ("127.0.0.1", port)
        self._journal = Journal(journal)
        self._assets = assets
        self._next = 0
        self._selector = selectors.DefaultSelector()
        self._idle: deque[Line] = deque()
        self._waiting: dict[str, float] = {}

    def run(self, rate: float, connections: int, warmup_s: float, seconds: float) -> Tally:
        began_s = time.monotonic() + warmup_s
        tally = Tally(began_s, began_s + seconds)
        self._connect(connections)
        due_s = time.monotonic()
        while (now_s := time.monotonic()) < tally.until_s:
            # At a given rate an order may find no free connection. Its clock starts when it was
            # due, because its caller waits all the same.
            while self._idle and (rate == 0 or due_s <= now_s):
                self._post(self._idle.popleft(), due_s if rate else now_s, tally)
                due_s += 1 / rate if rate else 0
            self._turn(tally)
        while time.monotonic() < tally.until_s + LAST_S and self._left(connections):
            self._turn(tally)
        self._waiting.clear()
        return tally

    def _left(self, connections: int) -> bool:
        return bool(self._waiting) or len(self._idle) < connections

    def _connect(self, connections: int) -> None:
        while len(self._selector.get_map()) < connections:
            stream = socket.create_connection(self._address)
            stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            line = Line(stream)
            self._selector.register(stream, selectors.EVENT_READ, line)
            self._idle.append(line)

    def _post(self, line: Line, at_s: float, tally: Tally) -> None:
        number, self._next = self._next, self._next + 1
        mw = RATED_MW * (1 + number % 9) / 10
        body = json.dumps(
            {"asset_id": asset_id(number % self._assets), "mw": mw, "duration_s": WINDOW_S}
        )
        line.posted_s = at_s
        tally.orders += tally.holds(at_s)
        line.stream.sendall(
            b"POST /dispatch HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
            b"content-length: %d\r\n\r\n%s" % (len(body), body.encode())
        )

    def _turn(self, tally: Tally) -> None:
        for key, _ in self._selector.select(LOOK_S):
            self._read(key.data, tally)
        for name in self._journal.started(self._waiting):
            at_s, now_s = self._waiting.pop(name), time.monotonic()
            tally.started += tally.holds(now_s)
            if tally.holds(at_s):
                tally.started_us.append(round((now_s - at_s) * 1e6))

    def _read(self, line: Line, tally: Tally) -> None:
        chunk = line.stream.recv(65536)
        if not chunk:
            raise ConnectionError("the headend closed a connection")
        line.read += chunk
        answer = take_answer(line.read)
        if answer is None:
            return
        assert line.posted_s is not None
        status, name = answer
        if name:
            self._waiting[name] = line.posted_s
            self._journal.look_anew()
        if tally.holds(line.posted_s):
            tally.answered_us.append(round((time.monotonic() - line.posted_s) * 1e6))
            tally.refused += status != 201
        line.posted_s = None
        self._idle.append(line)


def _cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--journal", type=Path, required=True)
    parser.add_argument("--assets", type=int, required=True)
    options = parser.parse_args()
    orders = Orders(options.port, options.journal, options.assets)
    print(json.dumps({"event": "ready"}), flush=True)
    for command in sys.stdin:
        _, rate, connections, warmup_s, seconds = command.split()
        before_s = _cpu_s()
        tally = orders.run(float(rate), int(connections), float(warmup_s), float(seconds))
        said = {
            "cpu_s": _cpu_s() - before_s,
            "orders": tally.orders,
            "refused": tally.refused,
            "lost": tally.orders - tally.refused - len(tally.started_us),
            "started": tally.started,
            "answered_us": tally.answered_us,
            "started_us": tally.started_us,
        }
        print(json.dumps(said), flush=True)


if __name__ == "__main__":
    main()
