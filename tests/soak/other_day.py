"""``python -m tests.soak.other_day``: ``python -m tests.soak`` as it would run on an earlier day.

It moves every clock of the day that Python or SQLite reads. OpenSSL reads the machine's, so that
the day is a past one: certificates made then are still valid.
"""

import datetime
import runpy
import sqlite3
import time
from typing import Any

MOVED_S = -(5 * 86_400 + 43_210)
"""Where the clock of the day stands, in seconds from the true time."""


def move_clocks() -> None:
    """Moves them for the rest of the process; what is imported later finds no others."""
    read_s, read_ns = time.time, time.time_ns
    read_clock_s, read_clock_ns = time.clock_gettime, time.clock_gettime_ns
    to_utc, to_local, connect = time.gmtime, time.localtime, sqlite3.connect

    def now_s() -> float:
        return read_s() + MOVED_S

    def moved(clock: int) -> int:
        return MOVED_S if clock == time.CLOCK_REALTIME else 0

    class MovedDatetime(datetime.datetime):
        @classmethod
        def now(cls, tz: datetime.tzinfo | None = None) -> Any:
            return cls.fromtimestamp(now_s(), tz)

    def strftime(form: str, when: str) -> str:
        assert when == "now", when
        return time.strftime(form, to_utc(now_s()))

    def connect_moved(*arguments: Any, **named: Any) -> sqlite3.Connection:
        opened: sqlite3.Connection = connect(*arguments, **named)
        opened.create_function("strftime", 2, strftime)
        return opened

    vars(time).update(
        time=now_s,
        time_ns=lambda: read_ns() + MOVED_S * 10**9,
        clock_gettime=lambda clock: read_clock_s(clock) + moved(clock),
        clock_gettime_ns=lambda clock: read_clock_ns(clock) + moved(clock) * 10**9,
        gmtime=lambda at_s=None: to_utc(now_s() if at_s is None else at_s),
        localtime=lambda at_s=None: to_local(now_s() if at_s is None else at_s),
    )
    vars(datetime).update(datetime=MovedDatetime)
    vars(sqlite3).update(connect=connect_moved)


if __name__ == "__main__":
    move_clocks()
    runpy.run_module("tests.soak", run_name="__main__")
