"""An answer is taken only if it belongs to its request, whole, and is as long as it must be."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deragent.modbus_tcp.exchange import (
    BrokenLinkError,
    FrameBuffer,
    IllegalAddressError,
    ModbusError,
    Question,
    ReadRegisters,
    TryAgainError,
    WriteRegisters,
    answer_of,
    frame_of,
)

READ = ReadRegisters(40000, 2)
WRITE = WriteRegisters(40100, b"\x00\x01\x00\x02")


def frame(message: bytes, *, transaction: int = 7, unit: int = 3, protocol: int = 0) -> bytes:
    length = len(message) + 1
    head = b"".join(each.to_bytes(2, "big") for each in (transaction, protocol, length))
    return head + bytes([unit]) + message


def answer(question: Question, data: bytes) -> bytes | None:
    buffer = FrameBuffer()
    buffer.feed(data)
    frame = buffer.take()
    return None if frame is None else answer_of(question, 3, frame)


SUNS = bytes.fromhex("0304") + b"SunS"


def test_requests_are_as_modbus_has_them() -> None:
    assert frame_of(READ, 3, 7) == bytes.fromhex("0007 0000 0006 03 03 9c40 0002")
    written = bytes.fromhex("0007 0000 000b 03 10 9ca4 0002 04 0001 0002")
    assert frame_of(WRITE, 3, 7) == written


def test_an_answer_is_taken() -> None:
    assert answer(READ, frame(SUNS)) == b"SunS"
    assert answer(WRITE, frame(bytes.fromhex("10 9ca4 0002"))) == b""


@given(st.lists(st.integers(1, 20), max_size=8))
def test_frames_may_come_in_pieces(cuts: list[int]) -> None:
    buffer, found, left = FrameBuffer(), [], frame(SUNS) + frame(SUNS, transaction=8)
    for cut in [*cuts, len(left)]:
        buffer.feed(left[:cut])
        left = left[cut:]
        while (taken := buffer.take()) is not None:
            found.append(taken)
    assert [(each.transaction, each.unit, each.message) for each in found] == [
        *((7, 3, SUNS), (8, 3, SUNS))
    ]


@pytest.mark.parametrize(
    ("question", "data", "said"),
    [
        (READ, frame(SUNS, unit=4), "unit 4 answers in place of unit 3"),
        (READ, frame(SUNS, protocol=1), "does not speak Modbus"),
        (READ, b"HTTP/1.1 400", r"does not speak Modbus: b'HTTP/1.1 400'"),
        (READ, bytes.fromhex("0007 0000 ffff 03 03 04"), "does not speak Modbus"),
        (READ, bytes.fromhex("0007 0000 0001 03 03 04"), "does not speak Modbus"),
        (READ, frame(bytes.fromhex("0302") + b"Su"), "answers a read of 2 .* with 1 registers"),
        (READ, frame(bytes.fromhex("0306") + b"SunSun"), "with 3 registers"),
        (READ, frame(bytes.fromhex("03ff") + b"SunS"), "with what is no message"),
        (READ, frame(bytes.fromhex("10 9ca4 0002")), "with WriteMultipleRegistersResponse"),
        (READ, frame(bytes.fromhex("7f 00")), "with what is no message"),
        (WRITE, frame(SUNS), "with ReadHoldingRegistersResponse"),
        (WRITE, frame(bytes.fromhex("10 9ca5 0002")), "with 2 at 40101"),
    ],
)
def test_what_is_no_answer_breaks_the_link(question: Question, data: bytes, said: str) -> None:
    with pytest.raises(BrokenLinkError, match=said):
        answer(question, data)


@pytest.mark.parametrize(
    ("code", "kind", "said"),
    [
        (1, IllegalAddressError, "unit 3 has no such function"),
        (2, IllegalAddressError, "unit 3 has no such registers .a read of 2 registers at 40000"),
        (3, ModbusError, "refuses the value"),
        (5, TryAgainError, "needs longer"),
        (6, TryAgainError, "is busy"),
        (11, ModbusError, "does not answer its gateway"),
        (99, ModbusError, "answers with exception 99"),
    ],
)
def test_exceptions_have_a_meaning(code: int, kind: type[ModbusError], said: str) -> None:
    with pytest.raises(kind, match=said):
        answer(READ, frame(bytes([0x83, code])))


@given(st.binary(max_size=300))
def test_any_bytes_are_an_answer_or_a_modbus_error(data: bytes) -> None:
    try:
        found = answer(READ, data)
    except ModbusError:
        return
    assert found is None or len(found) == 4


@given(st.binary(max_size=253), st.integers(0, 255))
def test_any_message_is_an_answer_or_a_modbus_error(message: bytes, function: int) -> None:
    try:
        found = answer(READ, frame(bytes([function]) + message))
    except ModbusError:
        return
    assert found is None or len(found) == 4
