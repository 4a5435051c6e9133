"""How a device is steered by its map: what to write, and what it says that it took. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass

from deragent.drivers.modbus.register_map import FixedWrite, MappedCommand
from deragent.modbus_tcp.read_plan import RegisterImage, Span

Write = tuple[Span, bytes]


@dataclass(frozen=True, slots=True)
class MappedControl:
    """One device's way to be steered."""

    command: MappedCommand
    rated_mw: float
    """What a setpoint in percent is a share of, MW."""

    def writes(self, mw: float, count: int) -> Iterator[Write]:
        """What to write, in order, so that the device holds ``mw``.

        ``count`` is the number of writes to the watchdog so far. Raises: ValueError.
        """
        command = self.command
        # Some devices take no setpoint while their watchdog is not fed.
        watchdog = command.watchdog
        if watchdog is not None and watchdog.point is not None:
            raw = watchdog.value
            if watchdog.count_to is not None:
                raw = count % (watchdog.count_to + 1)
            yield watchdog.point.span, watchdog.point.encode_raw(raw)
        yield from map(_write, command.before)
        setpoint = command.setpoint
        yield setpoint.span, setpoint.encode(mw / self._base_mw)
        yield from map(_write, command.after)

    def releases(self) -> Iterator[Write]:
        """What to write, in order, so that the device controls itself."""
        yield from map(_write, self.command.release)

    def spans(self) -> Iterator[Span]:
        """What to read to know what the device took."""
        if self.command.took is not None:
            yield self.command.took.span
        for write in self._compared():
            yield write.point.span

    def taken_mw(self, mw: float, image: RegisterImage) -> float | None:
        """The power that the device says it holds; ``mw`` if it cannot say; None if unknown."""
        took = self.command.took
        if took is None:
            return mw
        value = took.value(image)
        return None if value is None else value * self._base_mw

    def differs(self, mw: float, image: RegisterImage) -> str:
        """Why the device has not taken ``mw``, in words; empty if it has."""
        for write in self._compared():
            raw = write.point.raw(image)
            if raw != write.raw:
                at = write.point.span.address
                return f"was told {write.raw:g} at {at}, and has {raw}"
        took_mw = self.taken_mw(mw, image)
        if took_mw is None:
            return f"was told {mw:g} MW, and does not say what it took"
        if abs(took_mw - mw) > self.resolution_mw(mw):
            return f"was told {mw:g} MW, and took {took_mw:g} MW"
        return ""

    def resolution_mw(self, mw: float) -> float:
        """The greatest difference between a setpoint and what the device holds of it."""
        points = [self.command.setpoint, *([self.command.took] if self.command.took else [])]
        return max(point.resolution(mw / self._base_mw) for point in points) * self._base_mw

    @property
    def _base_mw(self) -> float:
        return self.rated_mw if self.command.percent else 1.0

    def _compared(self) -> Iterator[FixedWrite]:
        fixed = {write.point.span: write for write in self.command.before + self.command.after}
        # Of several writes to one register the last one counts.
        yield from (write for write in fixed.values() if write.compared)


def _write(fixed: FixedWrite) -> Write:
    return fixed.point.span, fixed.point.encode_raw(fixed.raw)
