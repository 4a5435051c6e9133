"""A Modbus server in memory, written from the specification, that a test can make misbehave."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Protocol

import trio
from trio.testing import memory_stream_pair

ILLEGAL_ADDRESS, BUSY = 2, 6
HOLDING, INPUT, WRITE = 3, 4, 16
"""Function codes."""


class ServedUnit(Protocol):
    """The registers of one unit."""

    writes: list[tuple[float, int, bytes]]
    """Time, address and data of each write."""

    def read(self, address: int, count: int, function: int = HOLDING) -> bytes | None:
        """Registers; None for an address that it does not have."""

    def write(self, address: int, data: bytes) -> bool:
        """Whether the registers are there."""


class ModbusServer:
    """Units behind one address. ``dial`` opens a connection to it."""

    def __init__(self, units: Mapping[int, ServedUnit], nursery: trio.Nursery) -> None:
        self.units = units
        self.mood = "well"
        """``well``, ``away``, ``mute``, ``closing``, ``garbled``, ``half``, ``foreign``,
        ``doubled``, ``busy``, ``strange`` (not Modbus), ``short`` (too few registers) or
        ``chatty`` (answers to requests that nobody made)."""
        self.answer_s = 0.0
        self.lacking = range(0)
        """Registers that no unit has, once their models were read whole."""
        self.dials = 0
        self.requests = 0
        self.under_way = self.most_under_way = 0
        self._nursery = nursery
        self._streams: set[trio.abc.Stream] = set()

    async def dial(self) -> trio.abc.Stream:
        await trio.lowlevel.checkpoint()
        self.dials += 1
        if self.mood == "away":
            raise ConnectionRefusedError("connection refused")
        ours, theirs = memory_stream_pair()
        self._streams.add(theirs)
        self._nursery.start_soon(self.converse, theirs)
        return ours

    async def cut(self) -> None:
        """Ends all connections."""
        for stream in [*self._streams]:
            await trio.aclose_forcefully(stream)

    @asynccontextmanager
    async def in_mood(self, mood: str) -> AsyncIterator[None]:
        self.mood = mood
        if mood == "away":
            await self.cut()
        yield
        self.mood = "well"

    async def converse(self, stream: trio.abc.Stream) -> None:
        heard = b""
        try:
            while data := await stream.receive_some(4096):
                heard += bytes(data)
                while len(heard) >= 6 and len(heard) >= 6 + int.from_bytes(heard[4:6], "big"):
                    end = 6 + int.from_bytes(heard[4:6], "big")
                    request, heard = heard[:end], heard[end:]
                    await self._answer(stream, request)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        finally:
            self._streams.discard(stream)
            await trio.aclose_forcefully(stream)

    async def _answer(self, stream: trio.abc.Stream, request: bytes) -> None:
        self.requests += 1
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        await trio.sleep(self.answer_s)
        self.under_way -= 1
        if self.mood == "mute":
            return
        if self.mood == "closing":
            await stream.aclose()
            return
        head, unit, message = request[:4], request[6], request[7:]
        answer = self._message(unit, message)
        if answer is None:
            return
        if self.mood == "foreign":
            unit += 1
        frame = head + (len(answer) + 1).to_bytes(2, "big") + bytes([unit]) + answer
        if self.mood == "garbled":
            frame = frame[:7] + bytes(255 - byte for byte in frame[7:])
        if self.mood == "strange":
            frame = b"HTTP/1.1 400 Bad Request\r\n\r\n"
        if self.mood == "chatty":
            frame = (b"\xff\xff" + frame[2:]) * 9
        if self.mood == "half":
            frame = frame[: len(frame) // 2]
        await stream.send_all(frame * 2 if self.mood == "doubled" else frame)

    def _message(self, unit: int, message: bytes) -> bytes | None:
        device, function = self.units.get(unit), message[0]
        if device is None:
            return None
        if self.mood == "busy":
            return bytes([function | 0x80, BUSY])
        address, count = int.from_bytes(message[1:3], "big"), int.from_bytes(message[3:5], "big")
        if function in (HOLDING, INPUT):
            registers = device.read(address, count, function)
            lacks = address < self.lacking.stop and self.lacking.start < address + count
            if registers is None or lacks:
                return bytes([function | 0x80, ILLEGAL_ADDRESS])
            if self.mood == "short":
                registers = registers[:-2]
            return bytes([function, len(registers)]) + registers
        if function == WRITE and device.write(address, message[6:]):
            return message[:5]
        return bytes([function | 0x80, ILLEGAL_ADDRESS])
