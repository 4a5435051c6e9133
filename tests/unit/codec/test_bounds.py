"""What one message may cost: counted in lines of Python and in memory, never in time."""

import tracemalloc

import pytest

from derproto.codec import (
    MAX_FIELDS,
    DecodeError,
    TelemetryColumns,
    agent,
    decode_agent,
    decoder,
    encode_agent,
)
from derproto.codec.wire import write_varint
from derproto.der.v1 import AgentMessage
from tests.support.steps import lines_of

MIB = 2**20
MESSAGE_BYTES = 4 * MIB
"""The largest message that a link takes."""

LINES_A_FIELD = 32
"""Lines of Python that the costliest field takes to be decoded."""


def within(tag: int, body: bytes) -> bytes:
    """A message that is one field: ``body`` behind its length."""
    return bytes([tag]) + write_varint(len(body)) + body


def filled_with(element: bytes) -> bytes:
    return element * (MESSAGE_BYTES // len(element))


FLOODS = {
    "reports in Register": within(0x0A, filled_with(b"\x3a\x00")),
    "assets in Register": within(0x0A, filled_with(b"\x1a\x00")),
    "devices in Heartbeat": within(0x1A, filled_with(b"\x22\x00")),
    "outboxes in Heartbeat": within(0x1A, filled_with(b"\x1a\x00")),
    "numbers in Heartbeat": within(0x1A, filled_with(b"\x10\x01")),
    "bodies": filled_with(b"\x1a\x00"),
    "unknown numbers": filled_with(b"\xf8\x01\x00"),
    "unknown bytes": filled_with(b"\xfa\x01\x00"),
    "a group of unknown numbers": b"\xfb\x01" + filled_with(b"\x08\x00") + b"\xfc\x01",
    "rows, one by one": within(0x12, filled_with(b"\x1d\x00\x00\x00\x00")),
    "rows, one by one, in parts": filled_with(b"\x12\x05\x1d\x00\x00\x00\x00"),
    "packed rows, in parts": filled_with(b"\x12\x06\x1a\x04\x00\x00\x00\x00"),
    "packed rows beside something": within(0x12, b"\x1a" + within(0, bytes(3 * MIB))[1:])
    + b"\xf8\x01\x00",
}


def refuse(message: bytes) -> None:
    with pytest.raises(DecodeError, match="more fields than one message may have"):
        decode_agent(message)


@pytest.mark.parametrize("message", FLOODS.values(), ids=FLOODS.keys())
def test_a_message_of_nothing_but_elements_is_refused_within_a_bounded_number_of_steps(
    message: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = 1000
    monkeypatch.setattr(agent, "MAX_FIELDS", few)
    monkeypatch.setattr(agent, "_decode", decoder(AgentMessage, max_fields=few))
    assert lines_of(lambda: refuse(message)) < few * LINES_A_FIELD


@pytest.mark.parametrize("message", FLOODS.values(), ids=FLOODS.keys())
def test_a_message_of_nothing_but_elements_takes_little_memory(message: bytes) -> None:
    refuse(message)
    tracemalloc.start()
    try:
        refuse(message)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4 * MESSAGE_BYTES


def test_rows_in_columns_count_as_nothing() -> None:
    rows = MAX_FIELDS + 1
    read = decode_agent(encode_agent(TelemetryColumns(asset_index=[0] * rows)))
    assert isinstance(read, TelemetryColumns)
    assert len(read.asset_index) == rows
