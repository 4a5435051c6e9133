"""One task says to all sessions' agents what is durable; a session that fails ends alone."""

import pytest
import trio
import trio.testing
from grpclib.exceptions import StreamTerminatedError

from derhead.sessions.streams.acknowledger import Acknowledger
from derhead.sessions.terms.ends import INTERNAL_ERROR, End


class Session:
    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.acknowledged = 0
        self.ended: list[End] = []

    def acknowledge_nowait(self) -> None:
        self.acknowledged += 1
        if self.error is not None:
            raise self.error

    def end(self, end: End) -> None:
        self.ended.append(end)


async def test_a_session_added_several_times_acknowledges_once(nursery: trio.Nursery) -> None:
    acknowledger = Acknowledger()
    nursery.start_soon(acknowledger.run)
    sessions = [Session(), Session()]
    for _ in range(3):
        for session in sessions:
            acknowledger.add(session)
    await trio.testing.wait_all_tasks_blocked()
    assert [session.acknowledged for session in sessions] == [1, 1]
    acknowledger.add(sessions[0])
    await trio.testing.wait_all_tasks_blocked()
    assert [session.acknowledged for session in sessions] == [2, 1]


async def test_a_session_added_before_the_run_is_not_lost(nursery: trio.Nursery) -> None:
    acknowledger, session = Acknowledger(), Session()
    acknowledger.add(session)
    nursery.start_soon(acknowledger.run)
    await trio.testing.wait_all_tasks_blocked()
    assert session.acknowledged == 1


async def test_a_failing_session_ends_alone(
    nursery: trio.Nursery, caplog: pytest.LogCaptureFixture
) -> None:
    acknowledger = Acknowledger()
    nursery.start_soon(acknowledger.run)
    gone, broken, well = Session(StreamTerminatedError("gone")), Session(OSError("bug")), Session()
    for session in (gone, broken, well):
        acknowledger.add(session)
    await trio.testing.wait_all_tasks_blocked()
    assert [session.ended for session in (gone, broken, well)] == [[], [INTERNAL_ERROR], []]
    assert well.acknowledged == 1
    assert "could not acknowledge" in caplog.text
