"""Pages of telemetry have neither holes nor repeats, whatever is added in between."""

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from derhead.history.file.schema import JournalFiles
from derhead.history.sql import listings
from derhead.history.sql.page_request import PageRequest, TimeRange
from derhead.history.writing.record_store import Group, Store
from derhead.telemetry import Sample
from tests.support.history.pages import page_of

# Few values of each part, so that times, boots and sequences coincide in every way.
samples = st.builds(
    Sample,
    asset_id=st.sampled_from(["a", "b"]),
    agent_id=st.sampled_from(["x", "y"]),
    boot_id=st.sampled_from([1, 2**64 - 1]),
    seq=st.integers(1, 4),
    ts_us=st.integers(-2, 5),
    received_us=st.just(9),
)
batches = st.lists(samples, max_size=30)


@settings(max_examples=60, deadline=None)
@given(
    first=batches,
    later=st.lists(batches, max_size=8),
    limits=st.lists(st.integers(1, 7), min_size=1, max_size=4),
    from_us=st.none() | st.integers(-3, 6),
    to_us=st.none() | st.integers(-3, 6),
)
def test_pages_repeat_and_miss_no_row_while_rows_are_added(
    first: list[Sample],
    later: list[list[Sample]],
    limits: list[int],
    from_us: int | None,
    to_us: int | None,
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        files = JournalFiles(Path(folder) / "journal.sqlite", "OFF")
        try:
            store = Store(files.writer)
            store.commit(Group(batches=(first,)))
            seen: list[Sample] = []
            cursor: str | None = None
            for turn in range(1_000):
                limit = limits[turn % len(limits)]
                page = page_of(
                    files.reader,
                    listings.telemetry("a", PageRequest(limit, TimeRange(from_us, to_us), cursor)),
                )
                assert len(page.items) <= limit
                seen.extend(page.items)
                cursor = page.next_cursor
                if cursor is None:
                    break
                assert len(page.items) == limit
                if turn < len(later):
                    store.commit(Group(batches=(later[turn],)))
        finally:
            files.close()

    def in_range(sample: Sample) -> bool:
        after = from_us is None or sample.ts_us >= from_us
        before = to_us is None or sample.ts_us < to_us
        return sample.asset_id == "a" and after and before

    assert len(set(seen)) == len(seen), "a row came twice"
    assert set(seen) >= set(filter(in_range, first)), "a row was left out"
    assert all(map(in_range, seen))
    times = [sample.ts_us for sample in seen]
    assert times == sorted(times, reverse=True)
