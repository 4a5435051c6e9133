"""A unit of single registers, as any table of a vendor has them, that a test controls."""

import struct
from collections.abc import Callable

import trio

HOLDING, INPUT = 3, 4


def words_of(code: str, value: float, *, little: bool = False) -> list[int]:
    """The registers of a number, by its code in the module struct."""
    data = struct.pack(f">{code}", value)
    words = [int.from_bytes(data[at : at + 2], "big") for at in range(0, len(data), 2)]
    return words[::-1] if little else words


def words_of_text(text: str, length: int) -> list[int]:
    data = text.encode().ljust(2 * length, b"\0")
    return [int.from_bytes(data[at : at + 2], "big") for at in range(0, len(data), 2)]


class RegisterUnit:
    """Registers by address, in both tables. It acts out what ``on_step`` says."""

    def __init__(self) -> None:
        self.tables: dict[int, dict[int, int]] = {HOLDING: {}, INPUT: {}}
        self.writes: list[tuple[float, int, bytes]] = []
        """Time, address and data of each write."""
        self.reads: list[tuple[int, int, int]] = []
        """Function, address and count of each read."""
        self.on_step: Callable[[], None] = lambda: None

    def put(self, address: int, words: list[int], function: int = HOLDING) -> None:
        """Sets registers from inside the unit."""
        self.tables[function].update(enumerate(words, address))

    def signed(self, address: int) -> int:
        """A holding register of 16 bits, as a signed number."""
        self.on_step()
        word = self.tables[HOLDING][address]
        return word - 0x10000 if word & 0x8000 else word

    def read(self, address: int, count: int, function: int = HOLDING) -> bytes | None:
        """Registers; None if one of them is not there."""
        self.on_step()
        self.reads.append((function, address, count))
        table = self.tables[function]
        words = [table.get(at) for at in range(address, address + count)]
        known = [word for word in words if word is not None]
        if len(known) < count:
            return None
        return b"".join(word.to_bytes(2, "big") for word in known)

    def write(self, address: int, data: bytes) -> bool:
        """Whether the registers are there."""
        words = [int.from_bytes(data[at : at + 2], "big") for at in range(0, len(data), 2)]
        if any(at not in self.tables[HOLDING] for at in range(address, address + len(words))):
            return False
        self.writes.append((trio.current_time(), address, data))
        self.put(address, words)
        self.on_step()
        return True
