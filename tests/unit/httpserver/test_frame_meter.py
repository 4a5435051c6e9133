"""What a client's HTTP/2 frames may cost, and how they are cut into turns."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from derhead.httpserver.protocols.frame_meter import (
    BLOCK_BYTES,
    BLOCK_PIECES,
    BYTES_AN_UPDATE,
    END_HEADERS,
    FRAME_BYTES,
    FREE_A_REQUEST,
    HEAD_BYTES,
    HEADERS_COST,
    PREFACE_BYTES,
    TURN_COST,
    WINDOW_S,
    FrameMeter,
    Http2Flood,
)

CONTROL, RESETS = 100, 20
DATA, HEADERS, PRIORITY, RST, SETTINGS, PING, GOAWAY, WINDOW, CONTINUATION = (
    0,
    1,
    2,
    3,
    4,
    6,
    7,
    8,
    9,
)
UNKNOWN = 0x42


def frame(kind: int, size: int = 0, flags: int = 0) -> bytes:
    return size.to_bytes(3, "big") + bytes([kind, flags]) + bytes(4) + bytes(size)


def meter_after_preface() -> FrameMeter:
    meter = FrameMeter(control_frames=CONTROL, resets=RESETS)
    assert b"".join(meter.turns(bytes(PREFACE_BYTES), 0)) == bytes(PREFACE_BYTES)
    return meter


def most_of(one: bytes, *, before: bytes = b"") -> int:
    """How many such frames a connection takes."""
    meter = meter_after_preface()
    list(meter.turns(before, 0))
    for taken in range(10_000):
        try:
            list(meter.turns(one, 0))
        except Http2Flood:
            return taken
    raise AssertionError("no budget")


@pytest.mark.parametrize(
    "one",
    [frame(PING, 8), frame(SETTINGS), frame(PRIORITY, 5), frame(UNKNOWN), frame(GOAWAY, 8)],
    ids=["PING", "SETTINGS", "PRIORITY", "unknown", "GOAWAY"],
)
def test_frames_that_move_nothing_have_a_budget(one: bytes) -> None:
    assert most_of(one) == CONTROL


def test_resets_have_a_budget() -> None:
    assert most_of(frame(RST, 4)) == RESETS


@pytest.mark.parametrize("one", [frame(WINDOW, 4), frame(DATA), frame(DATA, 1)])
def test_window_updates_and_small_data_have_a_budget_beside_that_of_requests(one: bytes) -> None:
    assert most_of(one) == CONTROL
    assert most_of(one, before=frame(HEADERS, 10, flags=5) * 3) == CONTROL + 3 * FREE_A_REQUEST


def test_a_client_that_reads_may_open_its_window() -> None:
    meter = meter_after_preface()
    for _ in range(10 * CONTROL):
        meter.sent(2 * BYTES_AN_UPDATE)
        list(meter.turns(frame(WINDOW, 4) * 2, 0))


def test_bodies_in_whole_frames_are_free() -> None:
    meter = meter_after_preface()
    list(meter.turns((frame(DATA, FRAME_BYTES) + frame(DATA, 0, flags=1)) * CONTROL * 3, 0))


def test_a_budget_is_new_after_its_window() -> None:
    meter = meter_after_preface()
    for times in range(5):
        list(meter.turns(frame(PING, 8) * CONTROL, times * WINDOW_S))


def test_a_frame_that_only_announces_too_much_is_refused_at_its_head() -> None:
    with pytest.raises(Http2Flood, match="a frame of 16385 bytes"):
        list(meter_after_preface().turns(frame(DATA, FRAME_BYTES + 1)[:HEAD_BYTES], 0))


def test_a_header_in_endless_pieces_is_refused_before_it_is_gathered() -> None:
    meter = meter_after_preface()
    list(meter.turns(frame(HEADERS, FRAME_BYTES), 0))
    list(meter.turns(frame(CONTINUATION, BLOCK_BYTES - FRAME_BYTES), 0))
    with pytest.raises(Http2Flood, match="a header of"):
        list(meter.turns(frame(CONTINUATION, 1), 0))


def test_a_header_in_endless_pieces_of_nothing_is_refused() -> None:
    meter = meter_after_preface()
    list(meter.turns(frame(HEADERS, 1) + frame(CONTINUATION) * BLOCK_PIECES, 0))
    with pytest.raises(Http2Flood, match="a header of 33 pieces"):
        list(meter.turns(frame(CONTINUATION), 0))


def test_a_header_lasts_from_its_first_byte_to_its_last() -> None:
    meter = meter_after_preface()
    for sent, is_in_header in (
        (frame(PING, 8), False),
        (frame(HEADERS, 3), True),
        (frame(CONTINUATION), True),
        (frame(CONTINUATION, 3, flags=END_HEADERS)[:-1], True),
        (b"\0", False),
        (frame(DATA, 3), False),
        (frame(HEADERS, 0, flags=END_HEADERS), False),
    ):
        list(meter.turns(sent, 0))
        assert meter.is_in_header is is_in_header


FRAMES = st.builds(
    frame, st.sampled_from([DATA, HEADERS, PING, WINDOW, RST]), st.integers(0, 300), st.just(1)
)


@given(st.lists(FRAMES, max_size=20).map(b"".join), st.data())
def test_turns_are_the_bytes_however_they_come(frames: bytes, data: st.DataObject) -> None:
    sent = bytes(PREFACE_BYTES) + frames
    cuts = sorted(data.draw(st.lists(st.integers(0, len(sent)), max_size=6)))
    meter = FrameMeter(control_frames=100, resets=100)
    pieces = [sent[a:b] for a, b in zip([0, *cuts], [*cuts, len(sent)], strict=True)]
    assert b"".join(turn for piece in pieces for turn in meter.turns(piece, 0)) == sent


@pytest.mark.parametrize(
    ("one", "most"),
    [(frame(DATA, 1, flags=1), TURN_COST), (frame(HEADERS, 9, flags=5), TURN_COST // HEADERS_COST)],
)
def test_a_turn_has_so_many_frames_at_most(one: bytes, most: int) -> None:
    turns = list(meter_after_preface().turns(one * 1_000, 0))
    assert max(len(turn) for turn in turns) == most * len(one)
    assert sum(len(turn) for turn in turns) == 1_000 * len(one)


def test_a_long_list_of_settings_costs_a_turn() -> None:
    turns = list(meter_after_preface().turns(frame(SETTINGS, 6 * 2_000) * 3, 0))
    assert len(turns) == 3
