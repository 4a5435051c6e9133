"""The compiled codec agrees with google.protobuf on everything, with betterproto2 but for
what ``departures`` names."""

import betterproto2
import pytest
from betterproto2 import Message
from hypothesis import event, given, settings
from hypothesis import strategies as st

from derproto.codec import DecodeError, decoder, encoder
from derproto.codec.fields import fields_of
from derproto.der.v1 import AgentMessage, HeadendMessage
from tests.property.codec.departures import departures
from tests.property.codec.kinds import Kinds
from tests.property.codec.models import CLASSES, GoogleError, attempt, google, plain, unknown_fields
from tests.property.codec.strategies import messages, mutated, wire_bytes

HARDEST: tuple[type[Message], ...] = (AgentMessage, HeadendMessage, Kinds)

classes = st.sampled_from(HARDEST) | st.sampled_from(CLASSES)
"""All, and more often those in which most can go wrong."""


def written(cls: type[Message]) -> st.SearchStrategy[bytes]:
    return messages(cls).map(encoder(cls))


def some_bytes(cls: type[Message]) -> st.SearchStrategy[bytes]:
    """From nearly a message to nothing like one."""
    return st.one_of(
        wire_bytes(cls),
        wire_bytes(cls),
        wire_bytes(cls),
        mutated(wire_bytes(cls)),
        mutated(written(cls)),
        st.binary(max_size=12),
    )


def negative_zero(message: Message) -> bool:
    """Whether a field that betterproto2 leaves out at its default is -0.0."""
    for field in fields_of(type(message)):
        value = getattr(message, field.name)
        if field.type == betterproto2.TYPE_MESSAGE:
            inner = value if field.repeated else [value] if value is not None else []
            if any(negative_zero(each) for each in inner):
                return True
        elif not field.repeated and not field.presence and str(value) == "-0.0":
            return True
    return False


@settings(max_examples=400, deadline=None)
@given(classes.flatmap(messages))
def test_messages_are_written_as_by_both(message: Message) -> None:
    cls = type(message)
    data = encoder(cls)(message)

    theirs = google(cls).FromString(data)
    assert plain(theirs, cls) == plain(message, cls)
    assert theirs.SerializeToString() == data
    if negative_zero(message):
        assert plain(cls.parse(data), cls) == plain(message, cls)
    else:
        assert bytes(message) == data


@settings(max_examples=400, deadline=None)
@given(classes.flatmap(messages))
def test_messages_come_back(message: Message) -> None:
    cls = type(message)
    data = encoder(cls)(message)
    back = decoder(cls)(data)
    assert type(back) is cls
    assert plain(back, cls) == plain(message, cls)
    assert back == message or "nan" in repr(message)
    assert vars(back).keys() == vars(message).keys()
    assert repr(back) == repr(message)  # enums are enums
    assert encoder(cls)(back) == data


@settings(max_examples=900, deadline=None)
@given(st.data())
def test_any_bytes_are_read_as_by_google(data: st.DataObject) -> None:
    cls = data.draw(classes)
    read = data.draw(some_bytes(cls))
    ours = attempt(decoder(cls), read)
    try:
        theirs = google(cls).FromString(read)
    except GoogleError:
        event("refused")
        assert isinstance(ours, DecodeError)
        return
    assert isinstance(ours, Message), f"only we refuse: {ours}"
    assert plain(ours, cls) == plain(theirs, cls)
    # With what neither knows.
    assert encoder(cls)(ours) == theirs.SerializeToString()


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_accepted_bytes_are_read_as_by_betterproto2(data: st.DataObject) -> None:
    cls = data.draw(classes)
    read = data.draw(some_bytes(cls))
    ours = attempt(decoder(cls), read)
    if isinstance(ours, DecodeError):
        event("refused")
        return
    if met := departures(cls, read):
        event(", ".join(sorted(met)))
        return
    theirs = cls.parse(read)
    assert plain(ours, cls) == plain(theirs, cls)
    assert unknown_fields(ours) == unknown_fields(theirs)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_a_view_is_read_as_its_bytes(data: st.DataObject) -> None:
    cls = data.draw(classes)
    read = data.draw(some_bytes(cls))
    expected = attempt(decoder(cls), read)
    buffer = bytearray(b"??" + read + b"??")
    got = attempt(decoder(cls), memoryview(buffer)[2:-2])
    buffer[:] = bytes(len(buffer))  # nothing of it is kept
    if isinstance(expected, DecodeError):
        assert str(got) == str(expected)
    else:
        assert plain(got, cls) == plain(expected, cls)


def test_packed_varints_end_where_their_field_does() -> None:
    cut = b"\xba\x01\x01\x80"  # int32s, one byte: a varint that would go on
    following = b"\x68\x01"
    with pytest.raises(DecodeError, match=r"Kinds\.int32s: a packed varint is cut"):
        decoder(Kinds)(cut + following)
    with pytest.raises(GoogleError):
        google(Kinds).FromString(cut + following)
