"""The fullest queue of all sessions."""

from hypothesis import given
from hypothesis import strategies as st

from derhead.sessions.streams.queue_depths import QueueDepths


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 8)), max_size=50))
def test_the_worst_is_the_depth_of_the_fullest_queue(moves: list[tuple[int, int]]) -> None:
    depths, queues = QueueDepths(8), [0] * 4
    for queue, after in moves:
        depths.move(queues[queue], after)
        queues[queue] = after
        assert depths.worst == max(queues)
