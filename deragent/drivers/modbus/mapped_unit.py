"""Reading and writing the registers of one unit, by its map."""

from collections.abc import Iterable

from deragent.drivers.modbus.register_map import RegisterMap
from deragent.modbus_tcp import IllegalAddressError, LinkOptions, ModbusLink
from deragent.modbus_tcp.read_plan import RegisterImage, Span, plan_reads
from derproto.stdio.log_events import event_log

log = event_log(__name__)


class MappedUnit:
    """One unit of a link. ``connection`` is the number of the one that must still last."""

    def __init__(self, name: str, link: ModbusLink, options: LinkOptions, map: RegisterMap) -> None:
        """``name`` is for log lines: the id of its asset, or the address of a probe."""
        self._name = name
        self._link = link
        self._unit = options.unit
        self._answer_s = options.answer_s
        self._map = map
        self._missing: set[Span] = set()
        """Spans that the device does not have, although its map says so."""
        self._lacks = False
        """Whether it lacks any registers, also such as no span covers."""
        self._lacks_on = 0
        """The connection on which that was found: on a new one it may be another device."""

    async def read(
        self, spans: Iterable[Span], connection: int | None
    ) -> tuple[RegisterImage, int]:
        """The registers of the spans, in as few requests as possible, and their connection.

        If the device lacks some, this call fails; the next ones leave them out.
        Raises: ModbusError.
        """
        if self._lacks_on != self._link.connections:
            self._missing.clear()
            self._lacks = False
        wanted = [span for span in spans if span not in self._missing]
        parts = []
        gaps = self._map.gaps and not self._lacks
        for span in plan_reads(wanted, self._map.most_registers, gaps=gaps):
            try:
                parts.append((span, await self._ask(span, connection)))
            except IllegalAddressError:
                self._lacks, self._lacks_on = True, self._link.connections
                await self._find_missing([each for each in wanted if each in span], connection)
                raise
            # All that follows must be of the same device.
            connection = self._link.connections if connection is None else connection
        known = self._link.connections if connection is None else connection
        return RegisterImage(tuple(parts)), known

    async def write(self, writes: Iterable[tuple[Span, bytes]], connection: int) -> None:
        """Writes registers, one span after the other. Raises: ModbusError."""
        for span, data in writes:
            await self._link.write(
                self._unit, span.address, data, self._answer_s, connection=connection
            )

    async def _ask(self, span: Span, connection: int | None) -> bytes:
        return await self._link.read(
            self._unit,
            span.address,
            span.count,
            self._answer_s,
            kind=span.kind,
            connection=connection,
        )

    async def _find_missing(self, spans: Iterable[Span], connection: int | None) -> None:
        """Asks for each point alone, to find those that the device does not have."""
        for span in spans:
            try:
                await self._ask(span, connection)
            except IllegalAddressError:
                self._missing.add(span)
                log.warning(
                    "device lacks registers of its map",
                    asset=self._name,
                    address=span.address,
                    count=span.count,
                )
