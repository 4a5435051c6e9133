"""What is compiled, what is not, and what an error shows."""

import traceback
from array import array
from dataclasses import dataclass
from datetime import datetime

import betterproto2
import pytest
from betterproto2 import Message, field

from derproto.codec import (
    DecodeError,
    EncodeError,
    TelemetryColumns,
    UnsupportedField,
    decode_agent,
    decoder,
    encode_agent,
    encoder,
)
from derproto.codec.columns import compile_columns_reader
from derproto.codec.fields import fields_of
from derproto.der.v1 import AgentMessage, Heartbeat, Outbox, Register, Setpoint, Telemetry
from tests.support.columns import message_of

# ruff: noqa: RUF009 -- this ``field`` makes a dataclass's field


@dataclass(eq=False, repr=False)
class WithFloat(Message):
    level: float = field(1, betterproto2.TYPE_FLOAT)


@dataclass(eq=False, repr=False)
class WithMap(Message):
    names: dict[int, str] = field(
        1,
        betterproto2.TYPE_MAP,
        map_meta=betterproto2.map_meta(betterproto2.TYPE_INT32, betterproto2.TYPE_STRING),
    )


@dataclass(eq=False, repr=False)
class WithTime(Message):
    at: datetime | None = field(1, betterproto2.TYPE_MESSAGE, unwrap=lambda: Outbox, optional=True)


@dataclass(eq=False, repr=False)
class Around(Message):
    inner: list[WithMap] = field(1, betterproto2.TYPE_MESSAGE, repeated=True)


@pytest.mark.parametrize(
    ("cls", "named"),
    [
        (WithFloat, "WithFloat.level: float is not compiled"),
        (WithMap, "WithMap.names: map is not compiled"),
        (WithTime, "WithTime.at: well-known types is not compiled"),
        (Around, "WithMap.names: map is not compiled"),
    ],
)
def test_an_unsupported_field_is_refused_at_compilation(cls: type[Message], named: str) -> None:
    with pytest.raises(UnsupportedField, match=named):
        decoder(cls)
    with pytest.raises(UnsupportedField, match=named):
        encoder(cls)


def test_each_class_is_compiled_once() -> None:
    assert decoder(Setpoint) is decoder(Setpoint)
    assert encoder(Setpoint) is encoder(Setpoint)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"\x1a\x05", "AgentMessage.heartbeat: cut short"),
        (b"\x1a\x02\x10\xff", "Heartbeat.uptime_ms: cut short"),
        (b"\x1a\x02\x09\x00\x00\x00\x00\x00\x00\x00\x00", "Heartbeat.ts_us: cut short"),
        (b"\x1a\x0c\x10" + b"\x80" * 11, "Heartbeat.uptime_ms: varint longer than 10 bytes"),
        (b"\x0a\x03\x0a\x01\xff", "Register.agent_id: not UTF-8: invalid start byte at byte 0"),
        (b"\x12\x05\x2a\x03\0\0\0", "Telemetry.p_mw: 3 bytes of values of 8"),
        (b"\x00\x00", "AgentMessage: field number 0"),
        (b"\x0e", "AgentMessage.register: wire type 6 out of place"),
        (b"\x7c", "AgentMessage: wire type 4 out of place"),
        (b"\x7b\x74", "AgentMessage: group 15 ended by 14"),
        (b"\x7b" * 101, "AgentMessage: nested too deep"),
        (b"\x80", "AgentMessage: cut short"),
        (b"\xff\xff\xff\xff\x10", "AgentMessage: tag or length of more than 32 bits"),
    ],
)
def test_an_error_names_message_and_field(data: bytes, says: str) -> None:
    for decode in (decoder(AgentMessage), decode_agent):
        with pytest.raises(DecodeError) as caught:
            decode(data)
        assert str(caught.value) == says


@pytest.mark.parametrize(
    ("message", "says"),
    [
        (Outbox(rows=-1), "Outbox.rows: -1 is not an unsigned number of 64 bits"),
        (Outbox(rows=2**64), "Outbox.rows: 18446744073709551616 is not an unsigned number"),
        (Outbox(oldest_ts_us=2**63), "Outbox.oldest_ts_us: "),
        (Setpoint(asset_index=-1), "Setpoint.asset_index: "),
        (Setpoint(priority=2**32), "Setpoint.priority: 4294967296 is not an unsigned number"),
        (Setpoint(dispatch_id="\ud800"), "Setpoint.dispatch_id: 'utf-8' codec can't encode"),
        (Telemetry(status=[0, 2**32]), "Telemetry.status: "),
        (Telemetry(ts_us=[-(2**63) - 1]), "Telemetry.ts_us: "),
        (Heartbeat(outbox=Outbox(rows=-1)), "Outbox.rows: "),
    ],
)
def test_a_value_that_does_not_fit_is_named(message: Message, says: str) -> None:
    with pytest.raises(EncodeError) as caught:
        encoder(type(message))(message)
    assert str(caught.value).startswith(says)


def test_a_traceback_shows_the_compiled_line() -> None:
    with pytest.raises(EncodeError) as caught:
        encoder(Register)(Register(clock_us=2**63))
    shown = "".join(traceback.format_exception(caught.value))
    assert "<derproto.codec: encoder of Register>" in shown
    assert "out += pack_1q(b'1', value)" in shown


def test_columns_follow_the_contract() -> None:
    """A field new in the contract has to be given its place in the class."""
    names = [field.name for field in fields_of(Telemetry)]
    assert list(TelemetryColumns.__slots__) == [*names, "_unknown_fields"]
    columns = TelemetryColumns()
    for each in fields_of(Telemetry):
        if each.repeated:
            assert getattr(columns, each.name).typecode == each.kind.typecode


def test_columns_come_in_parts_and_one_by_one() -> None:
    packed = encoder(Telemetry)(Telemetry(ts_us=[1, 2], status=[7]))
    single = b"\x21" + (3).to_bytes(8, "little")
    telemetry = single + packed + single
    columns = decode_agent(b"\x12" + bytes([len(telemetry)]) + telemetry)
    assert isinstance(columns, TelemetryColumns)
    assert columns.ts_us == array("q", [3, 1, 2, 3])
    assert list(columns.status) == [7]
    assert columns.quality == array("I")


def test_telemetry_in_two_parts_is_one() -> None:
    """Protocol buffers merge a message that comes twice, unless another took its place."""
    first, second = (
        encode_agent(TelemetryColumns(boot_id=boot_id, p_mw=[boot_id])) for boot_id in (1, 2)
    )
    both = decode_agent(first + second)
    assert isinstance(both, TelemetryColumns)
    assert (both.boot_id, list(both.p_mw)) == (2, [1.0, 2.0])
    heartbeat = encode_agent(AgentMessage(heartbeat=Heartbeat(uptime_ms=1)))
    again = decode_agent(first + heartbeat + second)
    assert isinstance(again, TelemetryColumns)
    assert list(again.p_mw) == [2.0]
    last = decode_agent(first + heartbeat)
    assert isinstance(last, AgentMessage)
    assert last.telemetry is None


def test_columns_say_how_many_rows() -> None:
    columns = TelemetryColumns(boot_id=5, first_seq=9, asset_index=[0, 1])
    assert repr(columns) == "TelemetryColumns(boot_id=5, first_seq=9, 2 rows)"


def test_a_big_endian_host_turns_columns_round(monkeypatch: pytest.MonkeyPatch) -> None:
    sent = TelemetryColumns(ts_us=[1, -2], status=[3])
    little = encoder(Telemetry)(message_of(sent))
    monkeypatch.setattr("derproto.codec.wire.SWAP", True)
    # What such a host would have in memory, seen from this one: the bytes turned round.
    assert compile_columns_reader()(little, 0, len(little), 1, 10).ts_us == array(
        "q", [1 << 56, -1 - (1 << 56)]
    )
    turned = TelemetryColumns(ts_us=[1 << 56, -1 - (1 << 56)], status=[3 << 24])
    assert encoder(Telemetry)(message_of(turned)) == little


def test_many_parts_of_a_message_take_time_in_proportion() -> None:
    """A peer that sends unknown fields in many parts must not have them copied each time."""
    part = b"\x1a\x04\x1a\x02\x78\x01"  # heartbeat { outbox { unknown: 1 } }
    message = decoder(AgentMessage)(part * 50_000)
    assert message.heartbeat is not None
    assert message.heartbeat.outbox is not None
    assert message.heartbeat.outbox._unknown_fields == b"\x78\x01" * 50_000
