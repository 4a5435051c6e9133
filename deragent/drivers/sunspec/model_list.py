"""Finding the models of a device: a decision after each answer. Pure.

A device's map begins with ``SunS`` at one of three addresses. Models follow, each with its id and
its length, until the id 0xFFFF.
"""

from collections.abc import Generator
from dataclasses import dataclass

from deragent.drivers.sunspec.model_definitions import COMMON, END, HEAD

BASES = (40000, 50000, 0)
"""Addresses at which a map may begin, in the order in which they are tried."""
MARK = b"SunS"
MOST_MODELS = 256
"""Models of one device. Beyond, its list has no end, and the device counts as no SunSpec device."""
ADDRESSES = 0x10000


class NoSunSpecError(Exception):
    """The device has no SunSpec map, or one that cannot be true. The text says what was found."""


@dataclass(frozen=True, slots=True)
class FoundModel:
    """A model in a device's map."""

    model_id: int
    address: int
    """Of its id."""
    length: int
    """Registers behind the head, as the device says."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Registers to read next."""

    address: int
    count: int


Search = Generator[Wanted, bytes | None, tuple[FoundModel, ...]]
"""Yields what to read, takes the registers, or None if the device has no such address; returns
the models."""


def find_models() -> Search:
    """Finds the models of a device. Raises: NoSunSpecError."""
    base = yield from _find_base()
    address = base + len(MARK) // 2
    found: list[FoundModel] = []
    while True:
        if address + HEAD > ADDRESSES:
            raise NoSunSpecError(f"the list of models runs beyond address {ADDRESSES - 1}")
        # Some devices have no length behind the last id.
        head = yield Wanted(address, 1)
        if head is None:
            raise NoSunSpecError(f"the list of models breaks off at address {address}")
        model_id = int.from_bytes(head, "big")
        if model_id == END:
            break
        if len(found) == MOST_MODELS:
            raise NoSunSpecError(f"the list of models has no end after {MOST_MODELS} of them")
        said = yield Wanted(address + 1, 1)
        if said is None:
            raise NoSunSpecError(f"model {model_id} at address {address} has no length")
        length = int.from_bytes(said, "big")
        if address + HEAD + length > ADDRESSES:
            raise NoSunSpecError(
                f"model {model_id} at address {address} says that it has {length} registers"
            )
        found.append(FoundModel(model_id, address, length))
        address += HEAD + length
    if not found or found[0].model_id != COMMON:
        first = found[0].model_id if found else "none"
        raise NoSunSpecError(f"the first model is {first}, and must be {COMMON}")
    return tuple(found)


def _find_base() -> Generator[Wanted, bytes | None, int]:
    seen = []
    for base in BASES:
        mark = yield Wanted(base, len(MARK) // 2)
        if mark == MARK:
            return base
        seen.append(f"{base}: {'no such address' if mark is None else mark.hex(' ', 2)}")
    raise NoSunSpecError(f"'SunS' stands at none of its addresses ({'; '.join(seen)})")
