"""Which registers to read at once, as few reads as the map allows, and what was read. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass

MOST_AT_ONCE = 125
"""Registers in one answer, by Modbus."""


@dataclass(frozen=True, order=True, slots=True)
class Span:
    """Registers that follow one another, and are read at once: a device changes them meanwhile."""

    address: int
    count: int

    @property
    def end(self) -> int:
        return self.address + self.count


def plan_reads(spans: Iterable[Span], most: int = MOST_AT_ONCE) -> tuple[Span, ...]:
    """The fewest reads of at most ``most`` registers, each span within one of them.

    A read may cover registers that nobody asked for: one more request costs more than they do.
    Raises: ValueError, for a span longer than ``most``.
    """
    reads: list[Span] = []
    for span in sorted(spans):
        if span.count > most:
            raise ValueError(f"{span.count} registers at {span.address} are more than {most}")
        last = reads[-1] if reads else None
        if last is not None and span.end - last.address <= most:
            reads[-1] = Span(last.address, max(last.end, span.end) - last.address)
        else:
            reads.append(span)
    return tuple(reads)


@dataclass(frozen=True, slots=True)
class RegisterImage:
    """Registers that were read, as big-endian bytes."""

    parts: tuple[tuple[Span, bytes], ...] = ()

    def get(self, span: Span) -> bytes:
        """The registers of the span; empty if they were not read at once."""
        for part, data in self.parts:
            if part.address <= span.address and span.end <= part.end:
                start = 2 * (span.address - part.address)
                return data[start : start + 2 * span.count]
        return b""
