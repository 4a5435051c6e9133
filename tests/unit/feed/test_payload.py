"""Payloads keep every value, or are clearly refused."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from derhead.history.spool.feed_batch import FeedBatch, has_ordered, merged
from derhead.history.spool.payload import BrokenPayload, CommitChanges, Payload, pack, unpack
from derhead.history.sql import row_types

INTEGERS = st.integers(-(2**63), 2**63 - 1)
REALS = st.none() | st.floats(allow_nan=False)
LINES = st.tuples(
    st.integers(1, 2**31),
    INTEGERS,
    st.integers(1, 2**31),
    INTEGERS,
    INTEGERS,
    *[REALS] * 5,
    st.integers(0, 300),
    st.integers(0, 2**32),
    REALS,
)
NAMES = st.text(st.characters(exclude_categories=["Cs"]))
RECORDS = st.lists(
    st.tuples(
        st.sampled_from(["dispatches", "sessions", "heartbeats", "verdicts"]),
        st.lists(st.tuples(NAMES, INTEGERS, REALS), min_size=1, max_size=3),
    ),
    max_size=4,
)


def telemetry_of(payload: Payload) -> list[tuple[Any, ...]]:
    """Columns as rows, with None for unknown."""
    return [
        tuple(None if isinstance(v, float) and math.isnan(v) else v for v in row)
        for row in zip(*payload.columns, strict=True)
    ]


@given(st.lists(LINES, max_size=20), RECORDS)
def test_packing_and_unpacking_keeps_the_values(
    telemetry: list[row_types.Row], records: list[tuple[str, list[row_types.Row]]]
) -> None:
    assets = {line[0]: f"asset {line[0]}" for line in telemetry}
    boots = {line[2]: ("agent", 2**64 - 1) for line in telemetry}
    found = unpack(pack(CommitChanges(telemetry, assets, boots, records)))
    assert telemetry_of(found) == telemetry
    assert found.assets == assets
    assert found.boots == {number: ("agent", str(2**64 - 1)) for number in boots}
    assert list(found.records) == records


@given(st.binary(max_size=200), st.data())
def test_broken_payloads_are_refused(noise: bytes, data: st.DataObject) -> None:
    good = pack(CommitChanges([(1, 2, 3, 4, 5, 1.0, None, None, None, None, 0, 0, None)], {1: "a"}))
    cut = data.draw(st.integers(0, len(good) - 1))
    for broken in (noise, good[:cut], good[:cut] + noise):
        if broken == good:
            continue
        try:
            unpack(broken)
        except BrokenPayload:
            continue
        # Bytes after the columns are ignored.
        assert broken[:5] == good[:5] or broken[0] == 1


def test_another_version_is_refused() -> None:
    with pytest.raises(BrokenPayload, match="its version is 2, this software knows 1"):
        unpack(b"\2" + pack(CommitChanges())[1:])


def test_packed_telemetry_takes_few_bytes() -> None:
    telemetry: list[row_types.Row] = [
        (
            n % 1000,
            1_795_000_000_000_000 + n,
            n % 1000,
            n,
            1_795_000_000_000_000,
            *[1.5] * 5,
            2,
            8,
            None,
        )
        for n in range(5_000)
    ]
    assert len(pack(CommitChanges(telemetry))) / 5_000 < 65


def payload(*records: tuple[str, list[row_types.Row]]) -> Payload:
    return unpack(pack(CommitChanges(records=list(records))))


def test_overwriting_rows_keep_their_order_in_a_batch() -> None:
    batch = merged(
        [
            payload(("dispatches", [("d", 1)]), ("heartbeats", [("h", 1)])),
            payload(("dispatches", [("d", 2)])),
            payload(("verdicts", [("d", "v")]), ("heartbeats", [("h", 2)])),
            payload(("dispatches", [("d", 3)])),
        ]
    )
    assert batch.ordered == [
        ("dispatches", [("d", 1), ("d", 2)]),
        ("verdicts", [("d", "v")]),
        ("dispatches", [("d", 3)]),
    ]
    assert batch.others == {"heartbeats": [("h", 1), ("h", 2)]}
    assert batch.rows == 6


def test_new_rows_go_ahead_except_those_whose_order_matters() -> None:
    both = payload(("dispatches", [("d", 1)]), ("sessions", [("s", 1)]))
    batch = merged([both], ordered=False)
    assert (batch.ordered, batch.others) == ([], {"sessions": [("s", 1)]})
    assert has_ordered(both)
    assert not has_ordered(payload(("gaps", [("g", 1)])))


def test_merging_leaves_the_payloads_unchanged() -> None:
    first = payload(("dispatches", [("d", 1)]))
    batch = FeedBatch()
    batch.add(first)
    batch.add(payload(("dispatches", [("d", 2)])))
    assert first.records == (("dispatches", [("d", 1)]),)
