"""``kinds.proto`` as betterproto2 would have it."""

# ruff: noqa: RUF009 -- this ``field`` makes a dataclass's field

from dataclasses import dataclass

import betterproto2
from betterproto2 import Message, field


class Colour(betterproto2.Enum):
    UNSPECIFIED = 0
    RED = 1
    BELOW = -2


@dataclass(eq=False, repr=False)
class Kinds(Message):
    a_double: float = field(1, betterproto2.TYPE_DOUBLE)
    an_int32: int = field(3, betterproto2.TYPE_INT32)
    an_int64: int = field(4, betterproto2.TYPE_INT64)
    a_uint32: int = field(5, betterproto2.TYPE_UINT32)
    a_uint64: int = field(6, betterproto2.TYPE_UINT64)
    a_sint32: int = field(7, betterproto2.TYPE_SINT32)
    a_sint64: int = field(8, betterproto2.TYPE_SINT64)
    a_fixed32: int = field(9, betterproto2.TYPE_FIXED32)
    a_fixed64: int = field(10, betterproto2.TYPE_FIXED64)
    an_sfixed32: int = field(11, betterproto2.TYPE_SFIXED32)
    an_sfixed64: int = field(12, betterproto2.TYPE_SFIXED64)
    a_bool: bool = field(13, betterproto2.TYPE_BOOL)
    colour: Colour = field(14, betterproto2.TYPE_ENUM, default_factory=lambda: Colour(0))
    text: str = field(15, betterproto2.TYPE_STRING)
    data: bytes = field(16, betterproto2.TYPE_BYTES)
    inner: "Kinds | None" = field(17, betterproto2.TYPE_MESSAGE, optional=True)
    doubles: list[float] = field(21, betterproto2.TYPE_DOUBLE, repeated=True)
    int32s: list[int] = field(23, betterproto2.TYPE_INT32, repeated=True)
    int64s: list[int] = field(24, betterproto2.TYPE_INT64, repeated=True)
    uint32s: list[int] = field(25, betterproto2.TYPE_UINT32, repeated=True)
    uint64s: list[int] = field(26, betterproto2.TYPE_UINT64, repeated=True)
    sint32s: list[int] = field(27, betterproto2.TYPE_SINT32, repeated=True)
    sint64s: list[int] = field(28, betterproto2.TYPE_SINT64, repeated=True)
    fixed32s: list[int] = field(29, betterproto2.TYPE_FIXED32, repeated=True)
    fixed64s: list[int] = field(30, betterproto2.TYPE_FIXED64, repeated=True)
    sfixed32s: list[int] = field(31, betterproto2.TYPE_SFIXED32, repeated=True)
    sfixed64s: list[int] = field(32, betterproto2.TYPE_SFIXED64, repeated=True)
    bools: list[bool] = field(33, betterproto2.TYPE_BOOL, repeated=True)
    colours: list[Colour] = field(34, betterproto2.TYPE_ENUM, repeated=True)
    texts: list[str] = field(35, betterproto2.TYPE_STRING, repeated=True)
    datas: list[bytes] = field(36, betterproto2.TYPE_BYTES, repeated=True)
    inners: "list[Kinds]" = field(37, betterproto2.TYPE_MESSAGE, repeated=True)
    maybe_double: float | None = field(41, betterproto2.TYPE_DOUBLE, optional=True)
    maybe_int32: int | None = field(42, betterproto2.TYPE_INT32, optional=True)
    maybe_bool: bool | None = field(43, betterproto2.TYPE_BOOL, optional=True)
    maybe_colour: Colour | None = field(44, betterproto2.TYPE_ENUM, optional=True)
    maybe_text: str | None = field(45, betterproto2.TYPE_STRING, optional=True)
    one_double: float | None = field(51, betterproto2.TYPE_DOUBLE, optional=True, group="choice")
    one_sint64: int | None = field(52, betterproto2.TYPE_SINT64, optional=True, group="choice")
    one_colour: Colour | None = field(53, betterproto2.TYPE_ENUM, optional=True, group="choice")
    one_text: str | None = field(54, betterproto2.TYPE_STRING, optional=True, group="choice")
    one_inner: "Kinds | None" = field(55, betterproto2.TYPE_MESSAGE, optional=True, group="choice")
    one_bool: bool | None = field(3000, betterproto2.TYPE_BOOL, optional=True, group="choice")
