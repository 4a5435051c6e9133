"""What an outbox takes, and the order in which its rows leave."""

import pytest

from deragent.devices import Measurement
from deragent.outbox import FileLookup, Outbox, OutboxLimits


def test_an_outbox_without_room_is_refused() -> None:
    with pytest.raises(ValueError, match="leave no room"):
        Outbox(1, OutboxLimits(memory_rows=1))


def test_backfill_never_reaches_into_live_rows() -> None:
    outbox = Outbox(1)
    for number in range(5):
        outbox.append(0, number, Measurement(), now_s=0.0)
    outbox.begin_session()
    for number in range(5):
        outbox.append(0, number, Measurement(), now_s=0.0)
    batch = outbox.next_backfill(100)
    assert batch is not None
    assert not isinstance(batch, FileLookup)
    assert [row.seq for row in batch.rows] == [1, 2, 3, 4, 5]
    assert outbox.next_backfill(100) is None
    assert [row.seq for row in outbox.take_live(3)] == [6, 7, 8]
    assert [row.seq for row in outbox.take_live(3)] == [9, 10]
    assert not outbox.take_live(3)
