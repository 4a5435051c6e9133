"""Records that wait for a commit, and when it is due."""

import math

import pytest

from derhead.gaps import GapRecord
from derhead.history.journal import waiting as waiting_module
from derhead.history.journal.waiting import SampleBatch, WaitingRecords, Write
from derhead.sessions import HeartbeatRecord, SessionRecord
from tests.support.history.records import dispatch, gap, heartbeat, sample, session


def nothing() -> None:
    """An acknowledgement that nobody waits for."""


def batch(rows: int, arrived_s: float = 0.0) -> SampleBatch:
    return SampleBatch([sample(n) for n in range(rows)], nothing, arrived_s)


@pytest.fixture
def waiting() -> WaitingRecords:
    return WaitingRecords(group_s=0.1, batch_rows=10, buffer_rows=30)


def test_without_records_no_commit_is_due(waiting: WaitingRecords) -> None:
    assert waiting.due_s() == math.inf


def test_telemetry_waits_from_its_oldest_sample_on(waiting: WaitingRecords) -> None:
    waiting.add_batch(batch(3, 5.0))
    waiting.add_batch(batch(3, 5.05))
    assert waiting.due_s() == pytest.approx(5.1)


def test_a_full_batch_is_due_at_once(waiting: WaitingRecords) -> None:
    waiting.add_batch(batch(9, 5.0))
    waiting.add_batch(batch(1, 5.0))
    assert waiting.due_s() == -math.inf


def test_a_note_waits_for_the_group(waiting: WaitingRecords) -> None:
    waiting.add_note(heartbeat(1), 7.0)
    waiting.add_note(session(), 7.05)
    assert waiting.due_s() == pytest.approx(7.1)


def test_a_write_is_due_at_once_and_takes_all_others_along(waiting: WaitingRecords) -> None:
    waiting.add_batch(batch(3, 5.0))
    waiting.add_note(heartbeat(1), 5.0)
    write = Write((dispatch("d"),), nothing)
    waiting.add_write(write)
    assert waiting.due_s() == -math.inf
    taken = waiting.take(5.01)
    assert taken.writes == [write]
    assert len(taken.batches) == 1
    assert taken.as_group(0).notes == (heartbeat(1),)
    assert waiting.due_s() == math.inf


def test_one_commit_takes_whole_batches_up_to_the_bound_in_order(waiting: WaitingRecords) -> None:
    batches = [batch(6, 1.0), batch(6, 2.0), batch(6, 3.0)]
    for each in batches:
        waiting.add_batch(each)
    first = waiting.take(0.0)
    assert first.batches == batches[:2]
    assert waiting.rows == 18
    waiting.settle(first)
    assert waiting.rows == 6
    assert waiting.take(0.0).batches == batches[2:]


def test_the_buffer_has_room_up_to_its_bound_or_for_a_single_batch(waiting: WaitingRecords) -> None:
    assert waiting.has_room(31)
    waiting.add_batch(batch(20))
    assert waiting.has_room(10)
    assert not waiting.has_room(11)
    waiting.take(0.0)
    assert not waiting.has_room(11), "rows being committed are still in memory"


def test_after_a_failure_only_writes_are_due(waiting: WaitingRecords) -> None:
    waiting.add_batch(batch(20, 5.0))
    waiting.hold_until(6.0)
    assert waiting.due_s() == 6.0
    waiting.add_write(Write((dispatch("d"),), nothing))
    assert waiting.due_s() == -math.inf
    assert waiting.take(5.5).only_writes
    assert waiting.take(6.0).batches


def test_records_of_a_failed_commit_go_first_again(waiting: WaitingRecords) -> None:
    batches = [batch(5, 1.0), batch(5, 2.0), batch(5, 3.0)]
    old, new = Write((dispatch("old"),), nothing), Write((dispatch("new"),), nothing)
    waiting.add_batch(batches[0])
    waiting.add_batch(batches[1])
    waiting.add_write(old)
    waiting.add_note(heartbeat(1), 0.0)
    waiting.add_note(session(messages=1), 0.0)
    waiting.add_note(session("other"), 0.0)
    taken = waiting.take(0.0)
    waiting.add_batch(batches[2])
    waiting.add_write(new)
    waiting.add_note(heartbeat(2), 0.0)
    waiting.add_note(session(messages=2), 0.0)
    waiting.put_back(taken, 0.0)
    assert waiting.rows == 15
    again = waiting.take(0.0)
    assert again.batches == batches[:2]
    assert again.writes == [old, new]
    assert set(again.as_group(0).notes) == {
        session(messages=2),
        session("other"),
        heartbeat(1),
        heartbeat(2),
    }
    assert waiting.take(0.0).batches == batches[2:]


def test_too_many_heartbeats_drop_the_oldest(
    waiting: WaitingRecords, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting_module, "NOTED_HEARTBEATS", 3)
    for received_us in range(10, 15):
        waiting.add_note(heartbeat(received_us), 0.0)
    assert waiting.dropped[HeartbeatRecord] == 2
    assert waiting.take(0.0).notes == [heartbeat(us) for us in (12, 13, 14)]


def test_only_a_sessions_newest_record_waits(
    waiting: WaitingRecords, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting_module, "NOTED_SESSIONS", 2)
    for messages in range(5):
        waiting.add_note(session("a", messages=messages), 0.0)
    waiting.add_note(session("b"), 0.0)
    waiting.add_note(session("c"), 0.0)
    assert waiting.dropped[SessionRecord] == 1
    assert waiting.take(0.0).notes == [session("b"), session("c")]


def test_a_settled_write_tells_its_caller() -> None:
    told: list[str] = []
    write = Write((dispatch("d"),), lambda: told.append("settled"))
    error = ValueError("no")
    write.settle(error)
    assert told == ["settled"]
    assert write.error is error


def test_only_a_gaps_newest_record_waits_and_many_gaps_take_several_commits(
    waiting: WaitingRecords, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting_module, "NOTED_GAPS", 3)
    monkeypatch.setattr(waiting_module, "GAPS_A_COMMIT", 2)
    waiting.add_note(gap("dropped"), 0.0)
    for revision in range(1, 5):
        waiting.add_note(gap("a", revision=revision), 0.0)
    waiting.add_note(gap("b"), 0.0)
    waiting.add_note(gap("c"), 0.0)
    assert waiting.dropped[GapRecord] == 1
    first = waiting.take(1.0)
    assert first.notes == [gap("a", revision=4), gap("b")]
    assert waiting.due_s() < math.inf
    waiting.add_note(gap("b", revision=2), 1.0)
    waiting.put_back(first, 1.0)
    taken = [*waiting.take(2.0).notes, *waiting.take(2.0).notes]
    assert taken == [gap("a", revision=4), gap("c"), gap("b", revision=2)]
    assert waiting.due_s() == math.inf


def test_gaps_of_a_batch_are_stored_in_its_commit(waiting: WaitingRecords) -> None:
    waiting.add_batch(SampleBatch([sample(1)], lambda: None, 0.0, [gap()]))
    assert waiting.rows == 2
    taken = waiting.take(0.0)
    assert taken.as_group(0).notes == (gap(),)
    waiting.settle(taken)
    assert waiting.rows == 0
