"""Which registers to read at once, as few reads as the map allows, and what was read. Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from deragent.modbus_tcp.exchange import RegisterKind

MOST_AT_ONCE = 125
"""Registers in one answer, by Modbus."""


@dataclass(frozen=True, order=True, slots=True)
class Span:
    """Registers that follow one another, and are read at once: a device changes them meanwhile."""

    address: int
    count: int
    kind: RegisterKind = RegisterKind.HOLDING

    @property
    def end(self) -> int:
        return self.address + self.count

    def __contains__(self, other: "Span") -> bool:
        """Whether a read of this span brings the other, too."""
        return self.kind is other.kind and self.address <= other.address and other.end <= self.end


def plan_reads(
    spans: Iterable[Span], most: int = MOST_AT_ONCE, *, gaps: bool = True
) -> tuple[Span, ...]:
    """The fewest reads of at most ``most`` registers, each span within one of them.

    A read may cover registers that nobody asked for: one more request costs more than they do.
    Without ``gaps`` it does not, for a device that lacks some.
    Raises: ValueError, for a span longer than ``most``.
    """
    reads: list[Span] = []
    for span in sorted(spans, key=lambda span: (span.kind, span)):
        if span.count > most:
            raise ValueError(f"{span.count} registers at {span.address} are more than {most}")
        last = reads[-1] if reads else None
        if (
            last is not None
            and span.kind is last.kind
            and span.end - last.address <= most
            and (gaps or span.address <= last.end)
        ):
            reads[-1] = Span(last.address, max(last.end, span.end) - last.address, last.kind)
        else:
            reads.append(span)
    return tuple(reads)


def joined(parts: Iterable[tuple[Span, bytes]]) -> Iterator[tuple[Span, bytes]]:
    """Parts that follow one another as one; the parts are in the order of their addresses."""
    whole: tuple[Span, bytes] | None = None
    for span, data in parts:
        if whole is not None and whole[0].end == span.address and whole[0].kind is span.kind:
            count = whole[0].count + span.count
            whole = Span(whole[0].address, count, span.kind), whole[1] + data
            continue
        if whole is not None:
            yield whole
        whole = span, data
    if whole is not None:
        yield whole


@dataclass(frozen=True, slots=True)
class RegisterImage:
    """Registers that were read, as big-endian bytes."""

    parts: tuple[tuple[Span, bytes], ...] = ()

    def get(self, span: Span) -> bytes:
        """The registers of the span; empty if they were not read at once."""
        for part, data in self.parts:
            if span in part:
                start = 2 * (span.address - part.address)
                return data[start : start + 2 * span.count]
        return b""
