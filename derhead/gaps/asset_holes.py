"""The holes of one asset, the gaps that its agents reported, and the records to store. Pure."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from derhead.gaps.holes import GapLimits, Hole, Origin, ReportedGap
from derhead.gaps.record import GapRecord, HoleCause

HOLES_KEPT = 64
"""Holes of one asset that samples may still fill. When full, the oldest stays in the journal as
it is."""

REPORTS_KEPT = 64
"""Gap reports of one asset that explain holes, are still open, or are of its device. When full,
the oldest explains nothing further and stays in the journal as it is."""


class AssetHoles:
    """The holes of one asset, and the reports that explain them.

    Each change marks the holes that it concerns, and ``on_change`` is called. ``records`` draws
    the marked holes again and returns the records that differ from those drawn before.
    """

    __slots__ = (
        "_asset_id",
        "_closed",
        "_limits",
        "_marked",
        "_on_change",
        "_removed",
        "_reports",
        "bounded",
        "lasting",
    )

    def __init__(self, asset_id: str, limits: GapLimits, on_change: Callable[[], None]) -> None:
        self._asset_id = asset_id
        self._limits = limits
        self._on_change = on_change
        self.bounded: list[Hole] = []
        """The holes with both edges, in the order of time."""
        self.lasting: Hole | None = None
        """The hole that has no end yet."""
        self._reports: dict[str, ReportedGap] = {}
        self._closed: list[GapRecord] = []
        self._removed: dict[str, GapRecord] = {}
        """The records that were drawn of removed holes."""
        self._marked: dict[Hole, None] = {}

    def restore(
        self, holes: Sequence[Hole], reports: Sequence[ReportedGap], edge_us: int, edge: Origin
    ) -> None:
        """Takes over what the journal has: holes and reports in the order of time, and the newest
        sample."""
        for hole in holes:
            hole.shown = {each.id: each for each in hole.draw((), self._limits)}
        self.bounded = [each for each in holes if each.until_us <= edge_us][-HOLES_KEPT:]
        self._reports = {each.id: each for each in reports[-REPORTS_KEPT:]}
        # Above the newest sample there is one hole, which reports may part into several records.
        pieces = [each for each in holes if each.until_us > edge_us]
        if pieces:
            self.lasting = pieces[0]
            self.lasting.reopen(edge_us, edge)
            for piece in pieces[1:]:
                self.lasting.shown |= piece.shown

    # --- holes ----------------------------------------------------------------------

    def open_bounded(
        self,
        low_us: int,
        low: Origin,
        high_us: int,
        high: Origin,
        cause: HoleCause,
        noticed_us: int,
    ) -> None:
        """Opens a hole between two samples, after all other holes with both edges."""
        self._add(Hole(self._asset_id, low_us, low_us, low, high_us, high, cause, noticed_us))

    def open_lasting(self, edge_us: int, edge: Origin, cause: HoleCause, noticed_us: int) -> None:
        """Opens a lasting hole after the newest sample, unless one is open."""
        if self.lasting is None:
            self.lasting = Hole(
                self._asset_id, edge_us, edge_us, edge, None, None, cause, noticed_us
            )
            self.mark(self.lasting)

    def close_lasting(self, end_us: int) -> None:
        """Ends the lasting hole. Nothing of it is missing before ``end_us``."""
        hole, self.lasting = self.lasting, None
        if hole is not None:
            self._replace(hole, ())
            if hole.low_us > hole.start_us:
                filled = hole.record(hole.start_us, end_us, hole.stopped_by, end_us)
                self._closed.append(filled)

    def bound_lasting(self, ts_us: int, origin: Origin) -> None:
        """Ends the lasting hole at a sample, while samples may still fill it from below."""
        hole, self.lasting = self.lasting, None
        if hole is not None:
            hole.high_us, hole.high = ts_us, origin
            self._add(hole)

    def split_lasting(self, ts_us: int, origin: Origin) -> None:
        """Ends the lasting hole at a sample that is too far from its lower edge to fill it. The
        filled part becomes a gap of its own: what lies above it is lost."""
        if self.lasting is not None:
            lower, closed = self.lasting.split_off(ts_us, origin)
            self._closed += closed
            self._replace(self.lasting, ())
            self._add(lower)
            self.lasting = None

    def cut(self, place: int, ts_us: int, origin: Origin) -> None:
        """Puts a sample into the hole at ``place`` among ``bounded``."""
        hole = self.bounded[place]
        remaining, closed = hole.cut(ts_us, origin, self._limits)
        self._closed += closed
        if len(remaining) == 1 and remaining[0] is hole:
            self.mark(hole)
        else:
            self._replace(hole, remaining)
            self.bounded[place : place + 1] = remaining
            self._drop_oldest()

    def mark(self, hole: Hole) -> None:
        """Marks the hole to be drawn again, since it may have changed."""
        self._marked[hole] = None
        self._on_change()

    # --- reports --------------------------------------------------------------------

    def take_report(self, report: ReportedGap) -> GapRecord:
        """Explains holes by an agent's report. Returns the report's own record."""
        for each in list(self._reports.values()):
            if each.is_ended_by_report(report):
                self._closed.append(self.take_report(each.ended(report.start_us)))
                self._on_change()
        known = self._reports.get(report.id)
        if known is None or report.rank >= known.rank:
            self._reports[report.id] = report
            if len(self._reports) > REPORTS_KEPT:
                del self._reports[next(iter(self._reports))]
            for hole in self._all():
                self.mark(hole)
        return report.record(self._asset_id)

    def end_reports(self, ts_us: int, origin: Origin) -> None:
        """Ends the open reports that a measured sample contradicts.

        An agent that was started again may not know that it reported a silent device, or that
        the device had answered since.
        """
        for report in list(self._reports.values()):
            if report.is_ended_by(ts_us, origin):
                self._closed.append(self.take_report(report.ended(ts_us)))
                self._on_change()

    def forget_reports(self, edge_us: int) -> None:
        """Forgets the reports that can explain nothing any more; the journal has them.

        Those of a device stay: an agent killed just after the device's answer reports a later end.
        """
        holes = self._all()
        self._reports = {
            report.id: report
            for report in self._reports.values()
            if report.cause is HoleCause.DEVICE
            or report.end_us is None
            or report.end_us > edge_us
            or any(map(report.overlaps, holes))
        }

    # --- records --------------------------------------------------------------------

    def records(self) -> list[GapRecord]:
        """The records that changed since the last call, without their revisions."""
        found = {record.id: record for record in self._closed}
        before = dict(self._removed)
        for hole in self._marked:
            before |= hole.shown
            drawn = hole.draw(self._reports.values(), self._limits)
            hole.shown = {each.id: each for each in drawn}
            found |= hole.shown
        for gap_id, record in before.items():
            if gap_id not in found:
                found[gap_id] = replace(
                    record,
                    end_us=record.start_us,
                    cause=HoleCause.NONE,
                    backfilled=True,
                    filled_us=None,
                )
        self._closed, self._removed, self._marked = [], {}, {}
        return [record for record in found.values() if before.get(record.id) != record]

    @property
    def has_reports(self) -> bool:
        return bool(self._reports)

    @property
    def has_open_reports(self) -> bool:
        return any(each.end_us is None for each in self._reports.values())

    def _add(self, hole: Hole) -> None:
        self.bounded.append(hole)
        self.mark(hole)
        self._drop_oldest()

    def _all(self) -> list[Hole]:
        return [*self.bounded, self.lasting] if self.lasting is not None else self.bounded

    def _replace(self, hole: Hole, heirs: Iterable[Hole]) -> None:
        """Removes a hole, and its records except those that its heirs draw too."""
        self._removed |= hole.shown
        self._marked.pop(hole, None)
        self._on_change()
        for heir in heirs:
            self.mark(heir)

    def _drop_oldest(self) -> None:
        while len(self.bounded) > HOLES_KEPT:
            # A marked hole is still drawn once more.
            del self.bounded[0]
