"""Valid messages with extreme values: of every class, from betterproto2's metadata."""

import math
from typing import Any

import betterproto2
from betterproto2 import Message
from hypothesis import strategies as st

from derproto.codec.fields import Field, fields_of

UNSIGNED_64 = (betterproto2.TYPE_UINT64, betterproto2.TYPE_FIXED64)
UNSIGNED_32 = (betterproto2.TYPE_UINT32, betterproto2.TYPE_FIXED32)
REALS = st.sampled_from([math.nan, math.inf, -math.inf, 1e308, -1e-320, -0.0, 0.0, 1.0, -2.0, 9.0])
TEXTS = st.sampled_from(
    ["", "\0", "x", "a\nb", "\u202e", "é" * 70, "'; --", "\U0010ffff", "%s{}", "0" * 3000]
)


def values_of(field: Field) -> st.SearchStrategy[Any]:
    """Values of one field, most of them at the ends of its type's range."""
    if field.type == betterproto2.TYPE_MESSAGE:
        return extreme(field.cls)
    if field.type == betterproto2.TYPE_ENUM:
        return st.sampled_from([*map(int, field.cls), 99, -1, 2**31 - 1]).map(field.cls)
    if field.type == betterproto2.TYPE_DOUBLE:
        return REALS
    if field.type == betterproto2.TYPE_BOOL:
        return st.booleans()
    if field.type == betterproto2.TYPE_STRING:
        return TEXTS
    if field.type in UNSIGNED_64:
        return st.sampled_from([0, 1, 2, 7, 1000, 10**6, 2**63 - 1, 2**63, 2**64 - 1])
    if field.type in UNSIGNED_32:
        return st.sampled_from([0, 1, 2, 1000, 2**31, 2**32 - 1])
    return st.sampled_from([0, 1, -1, 10**15, 253402300800 * 10**6, 2**63 - 1, -(2**63)])


@st.composite
def extreme(draw: st.DrawFn, cls: type[Message]) -> Any:
    """A message of the class that the codec can write; of each oneof, one field at most."""
    values: dict[str, Any] = {}
    for field in fields_of(cls):
        if any(values.get(rival) is not None for rival in field.rivals) or draw(st.booleans()):
            continue
        value = values_of(field)
        if field.repeated:
            few = draw(st.lists(value, max_size=3))
            values[field.name] = few * draw(st.sampled_from([1, 1, 1, 700]))
        else:
            values[field.name] = draw(value)
    return cls(**values)
