"""Telemetry as arrays, which need no object for each number."""

from array import array
from collections.abc import Callable, Iterable, Sequence

from derproto.codec import wire
from derproto.codec.codec_errors import UnsupportedField
from derproto.codec.decoding import (
    add_loop,
    add_number,
    add_size,
    add_width_check,
    decoding_helpers,
    names_of_fields,
)
from derproto.codec.fields import Field, fields_of, metadata
from derproto.codec.generated import SourceLines, define
from derproto.codec.wire import Buffer
from derproto.der.v1 import Telemetry


class TelemetryColumns:
    """``der.v1.Telemetry`` with an array for each repeated field, and otherwise the same
    attributes.

    A decoded column of one value is a tuple; an absent one is an empty array. The receiver must
    check that columns have the same length, as with the message itself.

    Units, signs: as in headend.proto.
    """

    __slots__ = (  # noqa: RUF023 -- the order of headend.proto
        "boot_id",
        "first_seq",
        "asset_index",
        "ts_us",
        "p_mw",
        "q_mvar",
        "soc",
        "voltage_v",
        "frequency_hz",
        "status",
        "quality",
        "backfill",
        "_unknown_fields",
    )

    def __init__(
        self,
        *,
        boot_id: int = 0,
        first_seq: int = 0,
        asset_index: Iterable[int] = (),
        ts_us: Iterable[int] = (),
        p_mw: Iterable[float] = (),
        q_mvar: Iterable[float] = (),
        soc: Iterable[float] = (),
        voltage_v: Iterable[float] = (),
        frequency_hz: Iterable[float] = (),
        status: Iterable[int] = (),
        quality: Iterable[int] = (),
        backfill: bool = False,
    ) -> None:
        """Copies the columns.

        Raises: OverflowError, TypeError for values that the column's type cannot hold.
        """
        self.boot_id = boot_id
        self.first_seq = first_seq
        self.asset_index: Sequence[int] = array("I", asset_index)
        self.ts_us: Sequence[int] = array("q", ts_us)
        self.p_mw: Sequence[float] = array("d", p_mw)
        self.q_mvar: Sequence[float] = array("d", q_mvar)
        self.soc: Sequence[float] = array("d", soc)
        self.voltage_v: Sequence[float] = array("d", voltage_v)
        self.frequency_hz: Sequence[float] = array("d", frequency_hz)
        self.status: Sequence[int] = array("I", status)
        self.quality: Sequence[int] = array("I", quality)
        self.backfill = backfill
        self._unknown_fields = b""

    @classmethod
    def from_message(cls, message: Telemetry) -> "TelemetryColumns":
        """The columns of a message."""
        columns = cls(**{field.name: getattr(message, field.name) for field in FIELDS})
        columns._unknown_fields = message._unknown_fields
        return columns

    def drop_unknown(self) -> None:
        """Drops unknown fields, for a holder that bounds its memory by rows."""
        self._unknown_fields = b""

    def __repr__(self) -> str:
        rows = len(self.asset_index)
        return f"TelemetryColumns(boot_id={self.boot_id}, first_seq={self.first_seq}, {rows} rows)"


FIELDS = fields_of(Telemetry)


def compile_columns_reader() -> Callable[[Buffer, int, int, int, int], TelemetryColumns]:
    """The function that reads columns from ``data[pos:end]``: (data, pos, end, depth left, fields
    left). Packed columns are copied and count as no fields.

    Raises: UnsupportedField if Telemetry has a field that is neither number nor column.
    """
    for field in FIELDS:
        if not field.packable or field.name not in TelemetryColumns.__slots__:
            raise UnsupportedField(f"Telemetry.{field.name} does not fit in columns")
    source = SourceLines()
    source.add(0, "def decode_columns(data, pos, end, depth, left):")
    source.add(1, *(f"{field.name} = {_default(field)}" for field in FIELDS))
    add_loop(source, "Telemetry", FIELDS, _add_usual, _add_value, in_order=True)
    source.add(1, "columns = new(TelemetryColumns)")
    for field in FIELDS:
        value = field.name
        if field.repeated:
            value = f"{_empty(field)} if {value} is None else {value}"
        source.add(1, f"columns.{field.name} = {value}")
    source.add(1, 'columns._unknown_fields = b"" if unknown is None else bytes(unknown)')
    source.add(1, "return columns")
    namespace = decoding_helpers() | names_of_fields(Telemetry, FIELDS)
    namespace |= {"TelemetryColumns": TelemetryColumns, "new": object.__new__, "array": array}
    define("decoder of TelemetryColumns", source, namespace)
    compiled: Callable[[Buffer, int, int, int, int], TelemetryColumns] = namespace["decode_columns"]
    return compiled


def _default(field: Field) -> str:
    return "None" if field.repeated else repr(metadata(Telemetry).default_gen[field.name]())


def _empty(field: Field) -> str:
    return f"array({field.kind.typecode!r})"


def _add_usual(source: SourceLines, indent: int, field: Field) -> None:
    name = field.name
    if not field.repeated:
        _add_value(source, indent, field)
        return
    add_size(source, indent)
    add_width_check(source, indent, field)
    # A tuple of one takes a third of the time of an array.
    source.add(indent, f"if size == {field.kind.bytes}:")
    source.add(indent, f"    column = unpack_{field.kind.typecode}(data, pos)")
    source.add(indent, "else:")
    source.add(indent, f"    column = {_empty(field)}")
    source.add(indent, "    column.frombytes(memoryview(data)[pos:stop])")
    if wire.SWAP:
        source.add(indent, "    column.byteswap()")
    source.add(indent, f"if {name} is None:", f"    {name} = column")
    source.add(indent, "else:")
    _add_as_array(source, indent + 1, field)
    source.add(indent, f"    {name}.extend(column)")
    source.add(indent, "pos = stop")


def _add_as_array(source: SourceLines, indent: int, field: Field) -> None:
    """Turns a column that grows into an array."""
    source.add(indent, f"if {field.name}.__class__ is tuple:")
    source.add(indent, f"    {field.name} = array({field.kind.typecode!r}, {field.name})")


def _add_value(source: SourceLines, indent: int, field: Field) -> None:
    """One value: a field's, or one more of a column."""
    name, value = field.name, add_number(source, indent, field)
    if not field.repeated:
        source.add(indent, f"{name} = {value}")
        return
    source.add(indent, f"if {name} is None:", f"    {name} = {_empty(field)}")
    _add_as_array(source, indent, field)
    source.add(indent, f"{name}.append({value})")
