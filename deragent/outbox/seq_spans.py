"""Spans of sequence numbers, merged as they are added. Pure."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

SPANS_WAITING = 10_000
"""Runs of rows that wait to be deleted from the file. When full, further ones are forgotten: the
next session sends those rows again."""


class SeqSpan(NamedTuple):
    """A run of rows of one boot, ends included."""

    boot_id: int
    first: int
    last: int


class SeqSpans:
    """A bounded list of spans. When full: see SPANS_WAITING."""

    def __init__(self) -> None:
        self._spans: list[SeqSpan] = []

    def __bool__(self) -> bool:
        return bool(self._spans)

    def __iter__(self) -> Iterator[SeqSpan]:
        return iter(self._spans)

    def add(self, span: SeqSpan) -> None:
        """Adds a span; merges it with the last span if it continues that span."""
        if span.first > span.last:
            return
        if self._spans:
            boot_id, first, last = self._spans[-1]
            if boot_id == span.boot_id and first <= span.first <= last + 1:
                self._spans[-1] = SeqSpan(boot_id, first, max(last, span.last))
                return
        if len(self._spans) < SPANS_WAITING:
            self._spans.append(span)

    def take(self) -> tuple[SeqSpan, ...]:
        """Removes and returns all spans."""
        spans, self._spans = tuple(self._spans), []
        return spans

    def put_back(self, spans: Iterable[SeqSpan]) -> None:
        """Returns spans that were taken and not processed."""
        later = self.take()
        for span in (*spans, *later):
            self.add(span)
