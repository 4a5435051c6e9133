"""Values and registers: scales, not-implemented values, what cannot be written."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deragent.drivers.sunspec.model_definitions import PointDefinition
from deragent.drivers.sunspec.point_values import (
    FLOATS,
    MOST_SCALE,
    Scale,
    UnfitValueError,
    decode,
    encode,
    not_implemented,
    scale_of,
)
from deragent.modbus_tcp.read_plan import RegisterImage, Span, plan_reads

SIZES = {"int16": 1, "uint16": 1, "int32": 2, "uint32": 2, "int64": 4, "float32": 2, "enum16": 1}


def point(kind: str) -> PointDefinition:
    return PointDefinition("P", kind, SIZES.get(kind, 8))


@pytest.mark.parametrize("kind", [*SIZES, "string", "sunssf", "bitfield32", "acc64"])
def test_what_is_not_implemented_is_unknown(kind: str) -> None:
    size = {"sunssf": 1, "bitfield32": 2, "acc64": 4}.get(kind, SIZES.get(kind, 8))
    definition = PointDefinition("P", kind, size)
    assert decode(definition, not_implemented(definition)) is None
    assert decode(definition, b"") is None


@pytest.mark.parametrize(
    ("kind", "data", "value"),
    [
        ("int16", "ff9c", -100),
        ("uint32", "00010000", 65536),
        ("float32", "7f800000", None),
        ("float32", "7fc00001", None),
        ("float32", "40490fdb", math.pi),
        ("string", "41636d65000000000000000000000000", "Acme"),
        ("string", "41636d65202020202020202020202020", "Acme"),
        ("string", "41420099ff0000000000000000000000", "AB"),
        ("string", "80ff0000000000000000000000000000", "��"),
        ("string", "0a0d0000000000000000000000000000", None),
    ],
)
def test_registers_are_read(kind: str, data: str, value: float | str | None) -> None:
    read = decode(point(kind), bytes.fromhex(data))
    assert read == (pytest.approx(value) if isinstance(value, float) else value)


@given(
    st.sampled_from(["int16", "uint16", "int32", "uint32", "int64"]),
    st.integers(-3, 3),
    st.floats(-1e6, 1e6),
)
def test_what_is_written_is_read_back(kind: str, exponent: int, value: float) -> None:
    scale = Scale(exponent)
    try:
        data = encode(point(kind), value, scale)
    except UnfitValueError:
        return
    raw = decode(point(kind), data)
    assert isinstance(raw, int)
    assert abs(scale.up(raw) - value) <= 0.5000001 * 10**exponent


@pytest.mark.parametrize(
    ("kind", "value", "said"),
    [
        ("int16", 4000.0, "P: 4000 is not from -3276.8 to 3276.7"),
        ("int16", -3276.8, "P: -3276.8 would mean that it is not implemented"),
        ("uint16", -0.1, "P: -0.1 is not from 0 to 6553.5"),
        ("uint16", 6553.5, "would mean that it is not implemented"),
        ("uint16", math.nan, "nan is not finite"),
        ("float32", math.inf, "inf is not finite"),
    ],
)
def test_what_cannot_stand_in_a_point_is_refused(kind: str, value: float, said: str) -> None:
    with pytest.raises(UnfitValueError, match=said):
        encode(point(kind), value, Scale(-1))


def test_a_scale_factor_out_of_range_is_none() -> None:
    assert scale_of(MOST_SCALE) == Scale(10)
    assert [scale_of(raw) for raw in (MOST_SCALE + 1, -11, None, "x", 1.0)] == [None] * 5
    assert Scale(-2).up(6001) == 60.01
    assert "float32" in FLOATS


spans = st.lists(st.builds(Span, st.integers(0, 400), st.integers(1, 20)), max_size=25)


@given(spans, st.integers(20, 125))
def test_every_span_is_within_one_read_and_no_plan_has_fewer(wanted: list[Span], most: int) -> None:
    reads = plan_reads(wanted, most)
    assert all(read.count <= most for read in reads)
    for span in wanted:
        assert any(read.address <= span.address and span.end <= read.end for read in reads)
    # Spans that need a read each: every one ends too far from the start of the one before.
    apart, last = 0, -math.inf
    for span in sorted(wanted):
        if span.end - last > most:
            apart, last = apart + 1, span.address
    assert len(reads) == apart


def test_registers_that_were_not_read_at_once_are_not_there() -> None:
    image = RegisterImage(((Span(10, 2), b"abcd"), (Span(12, 1), b"ef")))
    assert image.get(Span(11, 1)) == b"cd"
    assert image.get(Span(11, 2)) == b""
    with pytest.raises(ValueError, match="30 registers at 5 are more than 20"):
        plan_reads([Span(5, 30)], 20)
