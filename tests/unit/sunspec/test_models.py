"""Registers mean what pysunspec2 says that they mean, for its images and any that are worse."""

import itertools
import random
from importlib.resources import files

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deragent.devices import OperatingState
from deragent.drivers.sunspec.measured_points import INVERTERS, STORES, choose_points
from deragent.drivers.sunspec.model_definitions import load_definition
from deragent.drivers.sunspec.model_layout import lay_out
from deragent.drivers.sunspec.model_list import FoundModel
from deragent.modbus_tcp.read_plan import RegisterImage, Span, plan_reads
from tests.unit.sunspec.images import (
    NAMES,
    DeviceImage,
    layout_of,
    model_with,
    search,
    values_of,
)

MODELS = sorted(
    int(file.name.removeprefix("model_").removesuffix(".json"))
    for file in (files("sunspec2") / "models" / "json").iterdir()
    if file.name.startswith("model_")
)


@pytest.mark.parametrize("name", NAMES)
def test_every_point_of_an_image_has_the_value_that_pysunspec2_reads(name: str) -> None:
    device = DeviceImage(name)
    found = search(device)
    assert [model.model_id for model in found] == [m.model_id for m in device.theirs.model_list]
    compared = 0
    for model, theirs in zip(found, device.theirs.model_list, strict=True):
        layout = layout_of(model, device.image)
        points = dict(values_of(theirs))
        assert list(layout.points) == list(points)
        for path, point in points.items():
            place = layout.points[path]
            assert place.span == Span(model.address + point.offset, point.len)
            value, expected = layout.value(path, device.image), point.cvalue
            if place.definition.type == "pad" or path == "L":
                continue
            if layout.scale(path, device.image) is None:
                # Without its scale factor pysunspec2 takes the number as it is.
                expected = None
            if isinstance(value, float):
                assert value == pytest.approx(expected)
            else:
                assert (path, value) == (path, expected)
            compared += value is not None
    assert compared > 90


def test_every_definition_that_ships_is_read() -> None:
    assert len(MODELS) > 100
    for model_id in MODELS:
        definition = load_definition(model_id)
        assert definition is not None
        assert definition.id == model_id
        assert [point.name for point in definition.group.points[:2]] == ["ID", "L"]
    assert load_definition(64999) is None


@given(st.sampled_from(MODELS), st.integers(0, 0xFFFF), st.randoms(use_true_random=False))
def test_no_registers_make_a_model_larger_than_its_length(
    model_id: int, length: int, rng: random.Random
) -> None:
    definition = load_definition(model_id)
    assert definition is not None
    head = model_id.to_bytes(2, "big") + length.to_bytes(2, "big")
    data = head + rng.randbytes(2 * min(length, 2000))
    image = RegisterImage(((Span(40002, len(data) // 2), data),))
    layout = lay_out(definition, 40002, length, image)
    spans = [place.span for place in layout.points.values()]
    assert all(span.end <= 40002 + 2 + length for span in spans)
    assert all(before.end <= after.address for before, after in itertools.pairwise(spans))
    for path in list(layout.points)[:200]:
        layout.value(path, image)


def test_the_models_to_measure_by_have_the_points_that_are_measured() -> None:
    for model_id in (*INVERTERS, *STORES):
        layouts = [
            layout_of(FoundModel(each, 40002, 500), RegisterImage()) for each in {model_id, 701}
        ]
        points = choose_points(layouts)
        assert points is not None
        assert len({*points.spans()}) >= 7
    assert choose_points([]) is None


def test_a_device_of_ieee_1547_is_measured_with_few_reads() -> None:
    device = DeviceImage("device_1547")
    points = choose_points(device.layouts())
    assert points is not None
    reads = plan_reads(points.spans())
    # The battery's model is far from the inverter's.
    assert len(reads) == 2
    parts = tuple((read, device.read(read) or b"") for read in reads)
    measured = points.measure(RegisterImage(parts))
    theirs = device.theirs.models[701][0]
    assert measured.p_mw == pytest.approx(theirs.points["W"].cvalue / 1e6)
    assert measured.q_mvar == pytest.approx(theirs.points["Var"].cvalue / 1e6)
    assert measured.frequency_hz == pytest.approx(theirs.points["Hz"].cvalue)
    assert measured.voltage_v == pytest.approx(theirs.points["LNV"].cvalue)
    # The image has a state that its model does not know, and a battery that says nothing.
    assert (measured.status, measured.soc) == (OperatingState.UNSPECIFIED, None)
    # Nothing that was not read is made up.
    nothing = points.measure(RegisterImage())
    assert (nothing.p_mw, nothing.soc, nothing.status) == (None, None, OperatingState.UNSPECIFIED)


INTEGERS = {"W": -1250, "W_SF": 1, "Hz": 4998, "Hz_SF": -2, "V_SF": -1}


@pytest.mark.parametrize(
    ("model_id", "values", "state"),
    [
        (103, {**INTEGERS, "PhVphA": 2301, "St": 5}, OperatingState.CURTAILED),
        (101, {**INTEGERS, "PhVphA": 2301, "St": 8}, OperatingState.STANDBY),
        (113, {"W": -12500.0, "Hz": 49.98, "PhVphA": 230.1, "St": 7}, OperatingState.FAULT),
        (111, {"W": -12500.0, "Hz": 49.98, "PhVphA": 230.1, "St": 4}, OperatingState.RUNNING),
        (701, {**INTEGERS, "LNV": 2301, "InvSt": 2, "St": 1}, OperatingState.STARTING),
        (701, {**INTEGERS, "LNV": 2301, "St": 0}, OperatingState.OFF),
        (701, {**INTEGERS, "LNV": 2301}, OperatingState.UNSPECIFIED),
    ],
)
@pytest.mark.parametrize(
    ("store_id", "charge", "soc"),
    [
        (713, {"SoC": 615, "Pct_SF": -1}, 0.615),
        (802, {"SoC": 61, "SoC_SF": 0}, 0.61),
        (124, {"ChaState": 6150, "ChaState_SF": -2}, 0.615),
        (124, {"ChaState": 6150, "ChaState_SF": -1}, None),
        (802, {"SoC": 61, "SoC_SF": 12}, None),
    ],
)
def test_each_model_is_measured_in_the_agents_units(
    model_id: int,
    values: dict[str, object],
    state: OperatingState,
    store_id: int,
    charge: dict[str, object],
    soc: float | None,
) -> None:
    inverter, first = model_with(model_id, 40070, **values)
    store, second = model_with(store_id, 40300, **charge)
    points = choose_points([inverter, store])
    assert points is not None
    measured = points.measure(RegisterImage((first, second)))
    assert measured.p_mw == pytest.approx(-0.0125)
    assert measured.q_mvar is None
    assert measured.frequency_hz == pytest.approx(49.98)
    assert measured.voltage_v == pytest.approx(230.1)
    assert measured.status is state
    assert measured.soc == (None if soc is None else pytest.approx(soc))
