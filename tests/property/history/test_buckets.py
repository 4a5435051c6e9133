"""Buckets equal those that plain Python makes of the same samples."""

import math
import tempfile
from itertools import groupby
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from derhead.history.file.schema import JournalFiles
from derhead.history.sql.page_request import PageRequest, TimeRange
from derhead.history.writing.record_store import Group, Store
from derhead.telemetry import Bucket, Sample
from tests.support.history.pages import buckets_of

powers = st.none() | st.floats(-1e6, 1e6) | st.sampled_from([1e12, -1e300, math.inf, -math.inf])


def bucket_of(start_us: int, samples: list[Sample]) -> Bucket:
    known = [(s.ts_us, s.seq, s.p_mw) for s in samples if s.p_mw is not None and abs(s.p_mw) < 1e12]
    if not known:
        return Bucket(start_us, len(samples), None, None, None, None)
    values = [p_mw for *_, p_mw in known]
    mean = math.fsum(values) / len(values)
    return Bucket(start_us, len(samples), mean, min(values), max(values), max(known)[2])


@settings(max_examples=100, deadline=None)
@given(
    rows=st.lists(st.tuples(st.integers(-60, 120), powers), max_size=60),
    step_us=st.integers(1, 50),
    from_us=st.none() | st.integers(-70, 130),
    to_us=st.none() | st.integers(-70, 130),
    limit=st.integers(1, 9),
    piece_rows=st.integers(1, 20),
)
def test_buckets_equal_those_of_plain_python(
    rows: list[tuple[int, float | None]],
    step_us: int,
    from_us: int | None,
    to_us: int | None,
    limit: int,
    piece_rows: int,
) -> None:
    samples = [
        Sample("a", "x", 1, seq, ts_us, 0, p_mw) for seq, (ts_us, p_mw) in enumerate(rows, 1)
    ]
    others = [Sample("b", "x", 1, s.seq, s.ts_us, 0, 5.0) for s in samples]
    with tempfile.TemporaryDirectory() as folder:
        files = JournalFiles(Path(folder) / "journal.sqlite", "OFF")
        try:
            Store(files.writer).commit(Group(batches=(samples, others)))
            found: list[Bucket] = []
            cursor: str | None = None
            while True:
                page = buckets_of(
                    files.reader,
                    "a",
                    step_us,
                    PageRequest(limit, TimeRange(from_us, to_us), cursor),
                    piece_rows,
                )
                found.extend(page.items)
                cursor = page.next_cursor
                if cursor is None:
                    break
                assert len(page.items) == limit
        finally:
            files.close()
    low = -math.inf if from_us is None else from_us
    high = math.inf if to_us is None else to_us
    wanted = sorted((s for s in samples if low <= s.ts_us < high), key=lambda s: s.ts_us)
    expected = [
        bucket_of(start_us, list(group))
        for start_us, group in groupby(wanted, key=lambda s: s.ts_us // step_us * step_us)
    ][::-1]
    assert len(found) == len(expected)
    for bucket, model in zip(found, expected, strict=True):
        assert (bucket.start_us, bucket.count) == (model.start_us, model.count)
        assert (bucket.min_mw, bucket.max_mw) == (model.min_mw, model.max_mw)
        assert bucket.last_mw == model.last_mw
        if model.mean_mw is None:
            assert bucket.mean_mw is None
        else:
            assert bucket.mean_mw == pytest.approx(model.mean_mw, rel=1e-9, abs=1e-12)
