"""One asset under watch: which of its samples begin, fill and end its holes. Pure.

Nearly every sample comes within the period after the one before, and is not looked at here:
``derhead.telemetry.offer_block`` compares its time with the slot's and goes on. What is not
so comes to ``news`` (newer than the slot's sample, before the slot takes it over) or, while
there are holes, to ``late`` (not newer).
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from derhead.gaps.holes import GapLimits, Hole, Origin, Told, cut, split_off
from derhead.gaps.record import Cause, GapRecord
from derhead.telemetry import SampleBlock, Slot
from derproto.der.v1 import QualityBit

HOLES_KEPT = 64
"""Holes of one asset that samples may still fill. When full, the oldest stays in the journal as
it is."""

REPORTS_KEPT = 64
"""Gap reports of one asset that explain holes or are still open. When full, the oldest explains
nothing further and stays in the journal as it is."""

_STALE = int(QualityBit.STALE_DEVICE)

_LOOK_AT_ALL = -1
"""As a slot's ``quiet_us``: every sample is looked at."""


class Talking(Protocol):
    """A session, as far as an asset's silence is judged by it."""

    @property
    def seen_us(self) -> int: ...


class AssetWatch:
    """What is known of one asset's holes; it enters itself among ``touched`` when they change."""

    __slots__ = (
        "_ahead",
        "_asset_id",
        "_because",
        "_closed",
        "_dirty",
        "_gone",
        "_limits",
        "_slot",
        "_told",
        "_touched",
        "holes",
        "lasting",
        "session",
    )

    def __init__(
        self,
        asset_id: str,
        slot: Slot,
        limits: GapLimits,
        touched: dict["AssetWatch", None],
    ) -> None:
        self._asset_id = asset_id
        self._slot = slot
        self._limits = limits
        self._touched = touched
        self.holes: list[Hole] = []
        """Those with both edges, in time's order."""
        self.lasting: Hole | None = None
        """The one that has no end yet."""
        self.session: Talking | None = None
        self._because: Cause | None = None
        """What ended the last session; None once its successor has brought a sample."""
        self._ahead: tuple[int, Origin] | None = None
        """The newest sample, where the slot's is older: its agent's clock was set back."""
        self._told: dict[str, Told] = {}
        self._closed: list[GapRecord] = []
        self._gone: dict[str, GapRecord] = {}
        self._dirty: dict[Hole, None] = {}

    @property
    def spoke(self) -> bool:
        """Whether the asset ever sent a sample."""
        return self._slot.boot_id != 0

    # --- samples --------------------------------------------------------------------

    def news(self, row: int, block: SampleBlock) -> None:
        """A sample newer than the slot's, which still holds the one before."""
        columns = block.columns
        ts_us, backfill = columns.ts_us[row], columns.backfill
        origin = Origin(block.agent_id, columns.boot_id)
        if self.spoke:
            edge_us, edge = self._edge()
            if ts_us < edge_us:
                self._ahead = (edge_us, edge)
                self._fill(ts_us, origin)
                if not backfill:
                    self._end_lasting(edge_us)
            else:
                self._ahead = None
                self._advance(ts_us, origin, block.received_us, backfill, edge_us, edge)
        if not backfill:
            self._because = None
            if self._told and not (columns.quality and columns.quality[row] & _STALE):
                self._answered(ts_us, origin)
        watched = (
            self.lasting is not None
            or self._ahead is not None
            or self._because is not None
            or any(told.lasts_for_another(origin) for told in self._told.values())
        )
        self._slot.quiet_us = _LOOK_AT_ALL if watched else self._limits.hole_us

    def late(self, ts_us: int, agent_id: str, boot_id: int, received_us: int) -> None:
        """A sample that is no news: it may lie in a hole."""
        edge_us, edge = self._edge()
        origin = Origin(agent_id, boot_id)
        if ts_us <= edge_us:
            self._fill(ts_us, origin)
        else:
            # From before its agent's clock was set back.
            self._advance(ts_us, origin, received_us, True, edge_us, edge)
            self._ahead = (ts_us, origin)
            self._slot.quiet_us = _LOOK_AT_ALL

    def _fill(self, ts_us: int, origin: Origin) -> None:
        """A sample from before the newest."""
        place = bisect_left(self.holes, ts_us, key=_low_us) - 1
        if place < 0 or self.holes[place].until_us <= ts_us:
            return
        hole = self.holes[place]
        remaining, closed = cut(hole, ts_us, origin, self._limits)
        self._closed += closed
        if len(remaining) == 1 and remaining[0] is hole:
            self._redraw(hole)
        else:
            self._replace(hole, remaining)
            self.holes[place : place + 1] = remaining
            self._bound()

    def _advance(
        self,
        ts_us: int,
        origin: Origin,
        received_us: int,
        backfill: bool,
        edge_us: int,
        edge: Origin,
    ) -> None:
        """A sample beyond the newest."""
        is_far = ts_us - edge_us > self._limits.between(edge, origin)
        was_silent = received_us - self._slot.received_us > self._limits.hole_us
        if backfill and was_silent and self._because is not None:
            # What is live comes later than what is filled, and nobody has looked yet.
            self._open(edge_us, edge, self._because, received_us)
        hole = self.lasting
        if hole is None and is_far:
            because = self._why(ts_us - edge_us, received_us)
            hole = Hole(self._asset_id, edge_us, edge_us, edge, ts_us, origin, because, received_us)
            self._add(hole)
        elif hole is not None:
            if not backfill and self._because is None:
                hole.because = self._why(ts_us - edge_us, received_us)
            if is_far:
                self._part(hole, ts_us, origin, backfill)
            elif backfill:
                hole.low_us, hole.low = ts_us, origin
                self._redraw(hole)
            else:
                hole.high = origin
                self._end_lasting(ts_us)

    def _part(self, hole: Hole, ts_us: int, origin: Origin, backfill: bool) -> None:
        """A sample after the lasting hole's lower edge, too far to fill it."""
        lower, closed = split_off(hole, ts_us, origin)
        self._closed += closed
        self._replace(hole, ())
        self._add(lower)
        self.lasting = None
        if backfill:
            self._open(ts_us, origin, hole.because, hole.noticed_us)

    def _open(self, edge_us: int, edge: Origin, because: Cause, noticed_us: int) -> None:
        """The asset has been silent since its newest sample."""
        if self.lasting is None:
            self.lasting = Hole(
                self._asset_id, edge_us, edge_us, edge, None, None, because, noticed_us
            )
            self._redraw(self.lasting)

    def _end_lasting(self, end_us: int) -> None:
        """The asset is heard again, and nothing is missing below that time."""
        hole, self.lasting = self.lasting, None
        if hole is not None:
            self._replace(hole, ())
            if hole.low_us > hole.start_us:
                filled = hole.record(hole.start_us, end_us, hole.because, end_us)
                self._closed.append(filled)

    def _why(self, apart_us: int, received_us: int) -> Cause:
        """What broke off the samples, apart from what their origins tell."""
        if self._because is not None:
            return self._because
        # Within a session. Both clocks pass the time that a device is away; only the agent's
        # passes what it was set forward by.
        passed_us = received_us - self._slot.received_us
        return Cause.CLOCK if apart_us - passed_us > self._limits.hole_us else Cause.DEVICE

    def _edge(self) -> tuple[int, Origin]:
        """The newest sample of all."""
        slot = self._slot
        return self._ahead or (slot.ts_us, Origin(slot.agent_id, slot.boot_id))

    # --- sessions and time ----------------------------------------------------------

    def session_began(self, session: Talking, origin: Origin) -> None:
        """A session was granted the asset."""
        self.session = session
        if not self.spoke:
            return
        is_same = self._edge()[1] == origin
        if self._because is None or (self._because is Cause.AGENT_RESTART and is_same):
            # Whatever its agent said when it left: it has not been started anew.
            self._because = Cause.LINK
        self._slot.quiet_us = _LOOK_AT_ALL
        if self.lasting is not None:
            self.lasting.because = self._because
            self.lasting.high = origin
            self._redraw(self.lasting)

    def session_ended(self, session: Talking, because: Cause) -> None:
        """A session is over; harmless if another one has the asset by now."""
        if self.session is not session:
            return
        self.session = None
        if self.spoke:
            self._because = because
            self._slot.quiet_us = _LOOK_AT_ALL
            if self.lasting is not None:
                self.lasting.because = because
                self._redraw(self.lasting)

    def look(self, now_us: int, trusted_us: int) -> None:
        """Time has passed: an asset that is silent has a gap. It may last since ``trusted_us``,
        when the headend began to listen, or to trust its clock."""
        if not self.spoke:
            return
        heard_us = max(self._slot.received_us, trusted_us)
        if self._ahead is not None:
            heard_us = max(heard_us, self._ahead[0])
        if self.lasting is None and now_us - heard_us > self._limits.silent_us:
            self._open(*self._edge(), self._silence(), now_us)
            self._slot.quiet_us = _LOOK_AT_ALL
        elif self.lasting is not None and self.lasting.because is not self._silence():
            self.lasting.because = self._silence()
            self._redraw(self.lasting)

    def _silence(self) -> Cause:
        """Why nothing comes now."""
        if self._because is not None:
            return self._because
        speaks = self.session is not None and (
            self.session.seen_us - self._slot.received_us > self._limits.hole_us
        )
        return Cause.DEVICE if speaks else Cause.LINK

    # --- reports --------------------------------------------------------------------

    def _answered(self, ts_us: int, origin: Origin) -> None:
        """The device answers. An agent that has been started anew may not know that it told of
        one that did not."""
        for told in list(self._told.values()):
            if told.lasts_for_another(origin):
                over = replace(told, end_us=max(told.start_us, ts_us))
                self._closed.append(self.tell(over))
                self._touched[self] = None

    def tell(self, told: Told) -> GapRecord:
        """An agent explains a stretch. Returns what it said, for the journal."""
        known = self._told.get(told.id)
        if known is None or known.revision <= told.revision:
            self._told[told.id] = told
            if len(self._told) > REPORTS_KEPT:
                del self._told[next(iter(self._told))]
            for hole in self._all():
                self._redraw(hole)
        return GapRecord(
            id=told.id,
            asset_id=self._asset_id,
            agent_id=told.origin.agent_id,
            start_us=told.start_us,
            end_us=told.end_us,
            cause=told.cause,
            rows=told.rows or None,
            backfilled=False,
            filled_us=None,
            revision=told.revision,
            noticed_us=0,
        )

    def _forget_told(self) -> None:
        """What explains nothing any more, nor will, stands in the journal by itself."""
        edge_us = self._edge()[0]
        self._told = {
            told.id: told
            for told in self._told.values()
            if told.end_us is None or told.end_us > edge_us or any(map(told.overlaps, self._all()))
        }

    # --- what is to be written ------------------------------------------------------

    def records(self) -> list[GapRecord]:
        """What changed since the last call, as yet without revisions."""
        found = {record.id: record for record in self._closed}
        was = dict(self._gone)
        for hole in self._dirty:
            was |= hole.shown
            hole.shown = {each.id: each for each in hole.draw(self._told.values(), self._limits)}
            found |= hole.shown
        for gap_id, record in was.items():
            if gap_id not in found:
                found[gap_id] = replace(
                    record,
                    end_us=record.start_us,
                    cause=Cause.NONE,
                    backfilled=True,
                    filled_us=None,
                )
        self._closed, self._gone, self._dirty = [], {}, {}
        if self._told:
            self._forget_told()
        return [record for record in found.values() if was.get(record.id) != record]

    # --- at start -------------------------------------------------------------------

    def restore(self, holes: list[Hole], told: list[Told], because: Cause) -> None:
        """Takes over what the journal knew: ``holes`` and ``told`` in time's order.

        ``because``: what broke off the samples, if the asset has no lasting hole.
        """
        for hole in holes:
            hole.shown = {each.id: each for each in hole.draw((), self._limits)}
        if holes and holes[-1].high_us is None:
            self.lasting = holes.pop()
            because = self.lasting.because
        self.holes = holes[-HOLES_KEPT:]
        self._told = {each.id: each for each in told[-REPORTS_KEPT:]}
        if self.spoke:
            self._because = because
            self._slot.quiet_us = _LOOK_AT_ALL
            self._forget_told()

    # --- the list of holes ----------------------------------------------------------

    def _all(self) -> list[Hole]:
        return [*self.holes, self.lasting] if self.lasting is not None else self.holes

    def _add(self, hole: Hole) -> None:
        """A hole above all that have both edges."""
        self.holes.append(hole)
        self._redraw(hole)
        self._bound()

    def _replace(self, hole: Hole, heirs: Sequence[Hole]) -> None:
        """A hole is no more; what was shown of it, and is not of its heirs, is to go."""
        self._gone |= hole.shown
        self._dirty.pop(hole, None)
        self._touched[self] = None
        for heir in heirs:
            self._redraw(heir)

    def _redraw(self, hole: Hole) -> None:
        """What is to be said of a hole has changed, perhaps."""
        self._dirty[hole] = None
        self._touched[self] = None

    def _bound(self) -> None:
        while len(self.holes) > HOLES_KEPT:
            # What is still to be written of it is written with the rest.
            del self.holes[0]


def _low_us(hole: Hole) -> int:
    return hole.low_us
