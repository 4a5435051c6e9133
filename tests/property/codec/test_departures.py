"""Each way in which the codec departs from betterproto2: with google.protobuf, and on purpose.

``docs/codec.md`` lists them.
"""

import re
import struct
from dataclasses import dataclass

import pytest
from betterproto2 import Message

from derproto.codec import DecodeError, EncodeError, decoder, encoder
from derproto.der.v1 import AgentMessage, DispatchReport, Heartbeat, Setpoint, Telemetry
from tests.property.codec.departures import (
    FORM,
    IN_GROUP,
    MERGE,
    ONEOF,
    WIDE_BOOL,
    WIDE_ENUM,
    departures,
)
from tests.property.codec.models import GoogleError, attempt, google, plain
from tests.support.repository import ROOT


@dataclass(frozen=True)
class Case:
    departure: str
    cls: type[Message]
    data: bytes


READ_OTHERWISE = [
    Case(ONEOF, AgentMessage, b"\x1a\x00\x22\x00"),
    Case(MERGE, Heartbeat, b"\x1a\x02\x08\x01\x1a\x02\x20\x02"),
    Case(FORM, Heartbeat, b"\x08\x05"),
    Case(FORM, Heartbeat, b"\x11\x05\x00\x00\x00\x00\x00\x00\x00"),
    Case(FORM, Telemetry, b"\x0a\x02hi"),
    Case(IN_GROUP, Heartbeat, b"\x7b\x10\x05\x7c"),
    Case(WIDE_ENUM, DispatchReport, b"\x18\x83\x80\x80\x80\x10"),
    Case(WIDE_BOOL, Telemetry, b"\x60" + b"\x80" * 9 + b"\x02"),
]

TAG, CUT, DEPTH = "tag", "cut short", "depth"

REFUSED = [
    Case(CUT, DispatchReport, b"\x0a\x05ab"),
    Case(CUT, AgentMessage, b"\x1a\x04\x3a\x05ab"),
    Case(CUT, Heartbeat, b"\x80"),
    Case(CUT, Heartbeat, b"\x79\x00"),
    Case(TAG, Heartbeat, b"\x00\x00"),
    Case(TAG, Heartbeat, b"\x7f"),
    Case(TAG, Heartbeat, b"\x7c"),
    Case(TAG, Heartbeat, b"\xf8\xff\xff\xff\x10\x01"),
    Case(TAG, Heartbeat, b"\x7a\x80\x80\x80\x80\x80\x00"),
    Case(DEPTH, Heartbeat, b"\x7b" * 101 + b"\x7c" * 101),
]


def read_by_betterproto2(case: Case) -> object:
    """Its values and what it keeps as unknown; None if it raises, whatever that is."""
    try:
        message = case.cls.parse(case.data)
        return plain(message, case.cls), message._unknown_fields
    except (ValueError, KeyError, EOFError, AttributeError, TypeError, struct.error):
        return None


@pytest.mark.parametrize("case", READ_OTHERWISE, ids=lambda case: case.departure)
def test_read_as_google_does_and_betterproto2_does_not(case: Case) -> None:
    assert departures(case.cls, case.data) == {case.departure}
    ours = decoder(case.cls)(case.data)
    theirs = google(case.cls).FromString(case.data)
    assert plain(ours, case.cls) == plain(theirs, case.cls)
    assert encoder(case.cls)(ours) == theirs.SerializeToString()
    assert read_by_betterproto2(case) != (plain(ours, case.cls), ours._unknown_fields)


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case.departure)
def test_refused_as_google_does_and_betterproto2_does_not(case: Case) -> None:
    assert isinstance(attempt(decoder(case.cls), case.data), DecodeError)
    with pytest.raises(GoogleError):
        google(case.cls).FromString(case.data)
    assert read_by_betterproto2(case) is not None


ZERO, RANGE = "-0.0", "range"


def test_negative_zero_is_written() -> None:
    message = Setpoint(mw=-0.0)
    data = encoder(Setpoint)(message)
    assert data == google(Setpoint)(mw=-0.0).SerializeToString()
    assert len(data) == 9
    assert bytes(message) == b""


def test_a_number_out_of_range_is_refused() -> None:
    message = Setpoint(priority=-1)
    with pytest.raises(EncodeError):
        encoder(Setpoint)(message)
    with pytest.raises(ValueError, match="out of range"):
        google(Setpoint)(priority=-1)
    assert google(Setpoint).FromString(bytes(message)).priority == 2**32 - 1


def test_the_document_lists_exactly_these() -> None:
    text = (ROOT / "docs" / "codec.md").read_text()
    _, section = text.split("## Differences from betterproto2\n")
    listed = re.findall(r"^\| `([^`]+)` \|", section.split("\n## ")[0], re.MULTILINE)
    tested = {case.departure for case in [*READ_OTHERWISE, *REFUSED]} | {ZERO, RANGE}
    assert len(listed) == len(set(listed))
    assert set(listed) == tested
