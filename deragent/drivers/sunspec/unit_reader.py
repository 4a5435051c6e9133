"""Reading and writing the registers of one unit behind a link."""

from collections.abc import Iterable, Iterator

from deragent.drivers.sunspec.device_map import USED, whole
from deragent.drivers.sunspec.model_list import FoundModel, find_models
from deragent.drivers.sunspec.sunspec_options import SunSpecOptions
from deragent.modbus_tcp import IllegalAddressError, ModbusLink
from deragent.modbus_tcp.read_plan import RegisterImage, Span, joined


class UnitReader:
    """One unit of a link. ``connection`` is the number of the one that must still last."""

    def __init__(self, link: ModbusLink, options: SunSpecOptions) -> None:
        self._link = link
        self._unit = options.unit
        self._answer_s = options.answer_s
        self.most_registers = options.most_registers

    async def read(self, span: Span, connection: int | None) -> bytes:
        """The registers of a span that one request may ask for. Raises: ModbusError."""
        return await self._link.read(
            self._unit, span.address, span.count, self._answer_s, connection=connection
        )

    async def write(self, writes: Iterable[tuple[Span, bytes]], connection: int) -> None:
        """Writes registers, one span after the other. Raises: ModbusError."""
        for span, data in writes:
            await self._link.write(
                self._unit, span.address, data, self._answer_s, connection=connection
            )

    async def find_models(self) -> tuple[tuple[FoundModel, ...], int]:
        """The unit's models, and the connection on which they were found.

        Raises: ModbusError, NoSunSpecError.
        """
        searching = find_models()
        wanted = next(searching)
        connection: int | None = None
        while True:
            try:
                registers: bytes | None = await self.read(
                    Span(wanted.address, wanted.count), connection
                )
            except IllegalAddressError:
                registers = None
            # All that follows must be of the same device.
            connection = self._link.connections if connection is None else connection
            try:
                wanted = searching.send(registers)
            except StopIteration as done:
                models: tuple[FoundModel, ...] = done.value
                return models, connection

    async def read_models(self) -> tuple[tuple[FoundModel, ...], RegisterImage, int]:
        """The unit's models, the registers of those that are used, and their connection.

        Raises: ModbusError, NoSunSpecError.
        """
        models, connection = await self.find_models()
        spans = [whole(model) for model in models if model.model_id in USED]
        return models, await self.read_image(spans, connection), connection

    async def read_image(self, spans: Iterable[Span], connection: int) -> RegisterImage:
        """The registers of spans of any length, apart from those that the unit lacks.

        Raises: ModbusError.
        """
        parts: list[tuple[Span, bytes]] = []
        for span in spans:
            parts += await self._read_parts(span, connection)
        return RegisterImage(tuple(parts))

    async def _read_parts(self, span: Span, connection: int) -> Iterator[tuple[Span, bytes]]:
        parts: list[tuple[Span, bytes]] = []
        most, starts = self.most_registers, range(span.address, span.end, self.most_registers)
        waiting = [Span(start, min(most, span.end - start)) for start in starts]
        while waiting:
            part = waiting.pop(0)
            try:
                parts.append((part, await self.read(part, connection)))
            except IllegalAddressError:
                half = part.count // 2
                if half:
                    second = Span(part.address + half, part.count - half)
                    waiting[:0] = [Span(part.address, half), second]
        return joined(parts)
