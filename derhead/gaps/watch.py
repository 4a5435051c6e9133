"""The watch of one asset: decides which of its samples begin, fill and end holes. Pure.

Nearly every sample comes within a period after the one before. ``derhead.telemetry.offer_block``
finds such a sample by comparing it with the asset's slot, and does not call the watch. The watch
sees the other samples. ``take_newer`` gets a sample that is newer than the slot's, before the slot
takes it over. ``take_late`` gets a sample that is not newer, while there are holes.
"""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from typing import Protocol

from derhead.gaps.asset_holes import AssetHoles
from derhead.gaps.holes import GapLimits, Hole, Origin, ReportedGap
from derhead.gaps.record import FOREVER_US, GapRecord, HoleCause
from derhead.telemetry import SampleBlock, Slot
from derproto.der.v1 import QualityBit

_STALE = int(QualityBit.STALE_DEVICE)

_EVERY_SAMPLE = -1
"""As a slot's ``usual_us``: the watch sees every sample."""


class HeardSession(Protocol):
    """What the watch reads of a session to judge an asset's silence."""

    @property
    def seen_us(self) -> int: ...


class AssetWatch:
    """Follows one asset's samples, sessions and silence, and keeps its holes.

    ``on_change`` is called whenever ``records`` may have something to return.
    """

    __slots__ = ("_ahead", "_holes", "_limits", "_session_end", "_slot", "session")

    def __init__(
        self,
        asset_id: str,
        slot: Slot,
        limits: GapLimits,
        on_change: Callable[["AssetWatch"], None],
    ) -> None:
        self._slot = slot
        self._limits = limits
        self._holes = AssetHoles(asset_id, limits, lambda: on_change(self))
        self.session: HeardSession | None = None
        self._session_end: HoleCause | None = None
        """Why the last session ended; None once the next one has brought a sample."""
        self._ahead: tuple[int, Origin] | None = None
        """The newest sample by time, if the slot's is older: the agent's clock was set back."""

    @property
    def holes(self) -> Sequence[Hole]:
        """The holes with both edges, in the order of time."""
        return self._holes.bounded

    @property
    def lasting(self) -> Hole | None:
        """The hole that has no end yet."""
        return self._holes.lasting

    @property
    def has_samples(self) -> bool:
        """Whether the asset ever sent a sample."""
        return self._slot.boot_id != 0

    def records(self) -> list[GapRecord]:
        """The records that changed since the last call, without their revisions."""
        found = self._holes.records()
        if self._holes.has_reports:
            self._holes.forget_reports(self._edge()[0])
        return found

    def restore(
        self, holes: list[Hole], reports: Sequence[ReportedGap], session_end: HoleCause
    ) -> None:
        """Takes over what the journal has: ``holes`` and ``reports`` in the order of time.

        ``session_end`` says why samples stopped, unless a lasting hole says it.
        """
        # Without a sample, every upper edge counts as one.
        edge_us, edge = self._edge() if self.has_samples else (FOREVER_US - 1, Origin("", 0))
        self._holes.restore(holes, reports, edge_us, edge)
        if self.has_samples:
            lasting = self._holes.lasting
            self._session_end = session_end if lasting is None else lasting.stopped_by
            self._slot.usual_us = _EVERY_SAMPLE
            self._holes.forget_reports(self._edge()[0])

    def take_report(self, report: ReportedGap) -> GapRecord:
        """Explains holes by an agent's report. Returns the report's own record."""
        record = self._holes.take_report(report)
        if self._holes.has_open_reports:
            # The next answer of the device ends it.
            self._slot.usual_us = _EVERY_SAMPLE
        return record

    # --- samples --------------------------------------------------------------------

    def take_newer(self, row: int, block: SampleBlock) -> None:
        """Takes a sample newer than the slot's. The slot still holds the one before."""
        columns = block.columns
        ts_us, backfill = columns.ts_us[row], columns.backfill
        origin = Origin(block.agent_id, columns.boot_id)
        if self.has_samples:
            edge_us, edge = self._edge()
            if ts_us < edge_us:
                self._ahead = (edge_us, edge)
                self._fill(ts_us, origin)
                if not backfill:
                    self._holes.close_lasting(edge_us)
            else:
                self._ahead = None
                self._advance(ts_us, origin, block.received_us, backfill, edge_us, edge)
        if not backfill:
            self._session_end = None
            answered = not (columns.quality and columns.quality[row] & _STALE)
            if self._holes.has_reports and answered:
                self._holes.end_reports(ts_us, origin)
        watched = (
            self.lasting is not None
            or self._ahead is not None
            or self._session_end is not None
            or self._holes.has_open_reports
        )
        self._slot.usual_us = _EVERY_SAMPLE if watched else self._limits.hole_us

    def take_late(self, ts_us: int, agent_id: str, boot_id: int, received_us: int) -> None:
        """Takes a sample that is not newer than the slot's, and may lie in a hole."""
        edge_us, edge = self._edge()
        origin = Origin(agent_id, boot_id)
        if ts_us <= edge_us:
            self._fill(ts_us, origin)
        else:
            # Measured before the agent's clock was set back.
            self._advance(ts_us, origin, received_us, True, edge_us, edge)
            self._ahead = (ts_us, origin)
            self._slot.usual_us = _EVERY_SAMPLE

    def _fill(self, ts_us: int, origin: Origin) -> None:
        """Takes a sample measured before the newest one."""
        place = bisect_left(self.holes, ts_us, key=_low_us) - 1
        if place >= 0 and ts_us < self.holes[place].until_us:
            self._holes.cut(place, ts_us, origin)

    def _advance(
        self,
        ts_us: int,
        origin: Origin,
        received_us: int,
        backfill: bool,
        edge_us: int,
        edge: Origin,
    ) -> None:
        """Takes a sample measured after the newest one so far."""
        is_far = ts_us - edge_us > self._limits.between(edge, origin)
        was_silent = received_us - self._slot.received_us > self._limits.hole_us
        if backfill and was_silent and self._session_end is not None:
            # No check for silence has opened this hole yet, and the live sample is still to come.
            self._holes.open_lasting(edge_us, edge, self._session_end, received_us)
        hole = self.lasting
        if hole is None and is_far:
            cause = self._why(ts_us - edge_us, received_us)
            self._holes.open_bounded(edge_us, edge, ts_us, origin, cause, received_us)
        elif hole is not None:
            if not backfill and self._session_end is None:
                hole.stopped_by = self._why(ts_us - edge_us, received_us)
            if is_far and backfill:
                self._holes.split_lasting(ts_us, origin)
                self._holes.open_lasting(ts_us, origin, hole.stopped_by, hole.noticed_us)
            elif is_far:
                # It overtook what fills the hole.
                self._holes.bound_lasting(ts_us, origin)
            elif backfill:
                hole.low_us, hole.low = ts_us, origin
                self._holes.mark(hole)
            else:
                hole.high = origin
                self._holes.close_lasting(ts_us)

    def _why(self, apart_us: int, received_us: int) -> HoleCause:
        """Why samples stopped, unless the two origins show a restart."""
        if self._session_end is not None:
            return self._session_end
        # Within a session. While a device is away, both clocks advance. If the agent's clock is
        # set forward, only that clock advances.
        passed_us = received_us - self._slot.received_us
        is_clock = apart_us - passed_us > self._limits.hole_us
        return HoleCause.CLOCK if is_clock else HoleCause.DEVICE

    def _edge(self) -> tuple[int, Origin]:
        """The newest sample by time."""
        slot = self._slot
        return self._ahead or (slot.ts_us, Origin(slot.agent_id, slot.boot_id))

    # --- sessions and silence -------------------------------------------------------

    def session_began(self, session: HeardSession, origin: Origin) -> None:
        """A session was granted the asset."""
        self.session = session
        if not self.has_samples:
            return
        same_boot = self._edge()[1] == origin
        restart = self._session_end is HoleCause.AGENT_RESTART
        if self._session_end is None or (restart and same_boot):
            # The same boot is back, so the agent did not restart.
            self._session_end = HoleCause.LINK
        self._slot.usual_us = _EVERY_SAMPLE
        hole = self.lasting
        if hole is not None:
            hole.stopped_by = self._session_end
            hole.high = origin
            self._holes.mark(hole)

    def session_ended(self, session: HeardSession, cause: HoleCause) -> None:
        """A session ended. Changes nothing if another session has the asset by now."""
        if self.session is not session:
            return
        self.session = None
        if self.has_samples:
            self._session_end = cause
            self._slot.usual_us = _EVERY_SAMPLE
            self._blame(cause)

    def check_silence(self, now_us: int, trusted_us: int) -> None:
        """Opens a gap if the asset is silent.

        Silence counts from ``trusted_us`` at the earliest: when the headend began to listen, or
        when the headend's clock was last set.
        """
        if not self.has_samples:
            return
        heard_us = max(self._slot.received_us, trusted_us)
        if self._ahead is not None:
            heard_us = max(heard_us, self._ahead[0])
        if self.lasting is not None:
            self._blame(self._why_silent())
        elif now_us - heard_us > self._limits.silent_us:
            self._holes.open_lasting(*self._edge(), self._why_silent(), now_us)
            self._slot.usual_us = _EVERY_SAMPLE

    def _blame(self, cause: HoleCause) -> None:
        hole = self.lasting
        if hole is not None and hole.stopped_by is not cause:
            hole.stopped_by = cause
            self._holes.mark(hole)

    def _why_silent(self) -> HoleCause:
        """Why no sample comes now."""
        if self._session_end is not None:
            return self._session_end
        heard = self.session is not None and (
            self.session.seen_us - self._slot.received_us > self._limits.hole_us
        )
        return HoleCause.DEVICE if heard else HoleCause.LINK


def _low_us(hole: Hole) -> int:
    return hole.low_us
