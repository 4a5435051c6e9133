"""Discovery ends, whatever a device answers, and says what it found."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deragent.drivers.sunspec.model_list import (
    BASES,
    MOST_MODELS,
    FoundModel,
    NoSunSpecError,
    Wanted,
    find_models,
)
from tests.unit.sunspec.images import DeviceImage, search


def find(registers: dict[int, int]) -> tuple[FoundModel, ...]:
    """The models of a device with those registers."""

    def read(wanted: Wanted) -> bytes | None:
        words = [registers.get(wanted.address + i) for i in range(wanted.count)]
        if None in words:
            return None
        return b"".join((word or 0).to_bytes(2, "big") for word in words)

    searching = find_models()
    wanted = next(searching)
    while True:
        try:
            wanted = searching.send(read(wanted))
        except StopIteration as done:
            found: tuple[FoundModel, ...] = done.value
            return found


def a_map(base: int, *words: int) -> dict[int, int]:
    return {base + i: word for i, word in enumerate((0x5375, 0x6E53, *words))}


@pytest.mark.parametrize("base", BASES)
def test_a_map_is_found_at_each_address_where_it_may_be(base: int) -> None:
    found = search(DeviceImage("inverter_123", base))
    assert [(model.model_id, model.address) for model in found] == [(1, base + 2), (129, base + 70)]


def test_a_length_behind_the_last_id_is_not_asked_for() -> None:
    assert find(a_map(0, 1, 0, 0xFFFF)) == (FoundModel(1, 2, 0),)


@pytest.mark.parametrize(
    ("registers", "said"),
    [
        ({}, r"'SunS' stands at none .*40000: no such address; 50000: no such address; 0: no such"),
        ({40000: 0x4142, 40001: 0}, r"40000: 4142 0000"),
        (a_map(0, 0xFFFF), "the first model is none, and must be 1"),
        (a_map(0, 103, 0, 0xFFFF), "the first model is 103, and must be 1"),
        (a_map(0, 1, 0), "the list of models breaks off at address 4"),
        (a_map(0, 1), "model 1 at address 2 has no length"),
        (a_map(0, 1, 0xFFFF), "model 1 at address 2 says that it has 65535 registers"),
        (a_map(0, *[1, 0] * (MOST_MODELS + 1)), "has no end after 256 of them"),
    ],
)
def test_a_map_that_cannot_be_true_is_refused(registers: dict[int, int], said: str) -> None:
    with pytest.raises(NoSunSpecError, match=said):
        find(registers)


@given(st.sampled_from(BASES), st.lists(st.sampled_from([0, 1, 2, 66, 0xFFFF, 40]), max_size=60))
def test_no_answers_keep_the_search_from_its_end(base: int, words: list[int]) -> None:
    try:
        found = find(a_map(base, *words))
    except NoSunSpecError:
        return
    assert found[0].model_id == 1
    ends = [model.address + 2 + model.length for model in found]
    assert [model.address for model in found[1:]] == ends[:-1]
