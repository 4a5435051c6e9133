"""The service levels of one asset, counted as things happen. Pure: times are passed in.

An asset counts from its first sample on. From then on all time counts, also that in which no
headend ran. The asset's slot knows until when its sample is fresh, so a sample that comes in time
costs nothing more: ``offer_block`` calls ``before_sample`` only for a sample that comes after a
stale stretch, or is itself stale. Whatever else happens, the time up to now is counted first, and
then changes what holds from now on.

Units: ``now_us`` is the headend's clock, microseconds since the epoch. ``steady_us()`` is a clock
that nobody can set, of any origin. If they disagree, the headend's clock was set: no time counts
for that, and hours go on where the headend's clock now is.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from derhead.dispatch import Dispatch, State
from derhead.service_levels.level_hour import HOUR_US, LevelHour, hour_of
from derhead.service_levels.level_sums import AssetHours, LevelSums
from derhead.service_levels.objectives import DISPATCH_US, WINDOW_HOURS
from derhead.telemetry import FRESH_US, NEVER_US, Slot

CLOCK_SET_US = 1_000_000
"""Disagreement of both clocks since the last count above which the headend's was set."""


@dataclass(slots=True)
class LevelTotals:
    """All assets since the headend's start. Lengths are microseconds. Every number only grows."""

    seen_us: int = 0
    fresh_us: int = 0
    held_us: int = 0
    received: int = 0
    received_late: int = 0
    started: int = 0
    started_late: int = 0


class AssetLevels:
    """Counts one asset's service levels; ``totals`` gets all of it too."""

    __slots__ = (
        "_at_us",
        "_left",
        "_past",
        "_previous",
        "_session",
        "_session_us",
        "_slot",
        "_steady_us",
        "_totals",
        "_was_held",
        "_was_steady_us",
        "asset_id",
        "finished",
        "hour",
    )

    def __init__(
        self, asset_id: str, slot: Slot, totals: LevelTotals, steady_us: Callable[[], int]
    ) -> None:
        self.asset_id = asset_id
        self.hour: LevelHour | None = None
        """The present hour; None = the asset does not count yet."""
        self.finished: list[LevelHour] = []
        """Hours that ended and are not stored; whoever stores them empties the list."""
        self._slot = slot
        self._totals = totals
        self._steady_us = steady_us
        self._was_steady_us = 0
        self._at_us = 0
        self._session: object = None
        self._session_us = 0
        self._was_held = False
        self._previous: LevelHour | None = None
        self._left: LevelHour | None = None
        """The last hour of an asset that left the fleet and does not count again yet."""
        self._past = AssetHours()

    # --- what happens ---------------------------------------------------------------

    def resume(self, last: LevelHour, heard_us: int, now_us: int) -> None:
        """Goes on after a headend that ended, given the last hour that it stored.

        ``heard_us``: when the asset's newest sample arrived. Up to then the headend certainly ran,
        and what held at its last store is taken to have held on. Afterwards no headend ran.
        """
        self._was_held = True
        self._was_steady_us = self._steady_us()
        if now_us < last.until_us:
            # The clock was set back since.
            self._begin(now_us, last.stale_from_us)
            return
        self.hour, self._at_us = last.copy(), last.until_us
        alive_us = min(max(last.until_us, heard_us), now_us, last.end_us)
        was_fresh = last.stale_from_us is None
        self._count(alive_us, alive_us if was_fresh else NEVER_US, held=was_fresh)
        self._count(min(now_us, last.end_us), NEVER_US, held=False, runs=False)
        if now_us >= last.end_us:
            self._turn_hour(hour_of(now_us), continues=True)
            self._count(now_us, NEVER_US, held=False, runs=False)

    def before_sample(self, now_us: int) -> None:
        """As ``FreshnessWatch``. The first sample of all begins the count."""
        if self.hour is not None:
            self.count(now_us)
            return
        self._was_steady_us = self._steady_us()
        left, self._left = self._left, None
        hour = self._begin(now_us, None)
        if left is None:
            return
        if left.hour_us == hour.hour_us:
            hour.take_earlier(left)
        else:
            self._past.add(left)

    def session_began(self, session: object, now_us: int) -> None:
        """A session was granted the asset."""
        self.count(now_us)
        if self._was_held and self.hour is not None:
            self.hour.reconnects += 1
        self._was_held = True
        self._session, self._session_us = session, now_us

    def session_ended(self, session: object, now_us: int) -> None:
        """A session ended. Changes nothing if another session has the asset by now."""
        if self._session is session:
            self.count(now_us)
            self._session = None

    def take_dispatch(self, before: Dispatch | None, after: Dispatch) -> None:
        """Counts the latencies of a dispatch that has changed.

        They begin with the order, or with the session if that began later: while no agent is
        connected, the asset is not available, and no dispatch is late.
        """
        hour = self.hour
        if hour is None:
            return
        due_us = after.created_us if self._session is None else self._session_us
        due_us = max(due_us, after.created_us)
        last = None if before is None else before.state
        for change in after.states[0 if before is None else len(before.states) :]:
            state = change.state
            at_agent = state in (State.RECEIVED, State.STARTED)
            if (last is State.SENT and state is not State.PENDING) or (
                last is State.PENDING and at_agent
            ):
                us = change.at_us - due_us
                hour.received.take(us)
                self._totals.received += 1
                self._totals.received_late += us > DISPATCH_US
            if state is State.STARTED:
                # Before its window begins, an agent only waits.
                us = change.at_us - max(due_us, after.start_us)
                hour.started.take(us)
                self._totals.started += 1
                self._totals.started_late += us > DISPATCH_US
            last = state

    # --- time passes ----------------------------------------------------------------

    def count(self, now_us: int) -> None:
        """Counts the time up to now."""
        hour = self.hour
        if hour is None:
            return
        steady_us = self._steady_us()
        set_us = (now_us - self._at_us) - (steady_us - self._was_steady_us)
        self._was_steady_us = steady_us
        if abs(set_us) > CLOCK_SET_US:
            hour = self._take_step(hour, set_us, now_us)
        slot, held = self._slot, self._session is not None
        while self._at_us < now_us:
            self._count(min(now_us, hour.end_us), slot.fresh_until_us, held=held)
            if self._at_us == hour.end_us:
                hour = self._turn_hour(self._at_us, continues=True)

    def _count(self, to_us: int, fresh_until_us: int, *, held: bool, runs: bool = True) -> None:
        """Counts the time up to ``to_us``, within the present hour."""
        hour, totals, at_us = self.hour, self._totals, self._at_us
        passed_us = to_us - at_us
        if hour is None or passed_us <= 0:
            return
        fresh_us = min(max(fresh_until_us - at_us, 0), passed_us)
        if runs:
            hour.seen_us += passed_us
            hour.fresh_us += fresh_us
            totals.seen_us += passed_us
            totals.fresh_us += fresh_us
            if held:
                hour.held_us += passed_us
                totals.held_us += passed_us
        else:
            hour.down_us += passed_us
        if fresh_us:
            hour.stale_from_us = None
        if fresh_us < passed_us:
            if hour.stale_from_us is None:
                hour.stale_from_us = at_us + fresh_us
                hour.outages += 1
            hour.longest_us = max(hour.longest_us, to_us - hour.stale_from_us)
        self._at_us = hour.until_us = to_us

    def _begin(self, now_us: int, stale_from_us: int | None) -> LevelHour:
        self._at_us = now_us
        self.hour = LevelHour(
            self.asset_id, hour_of(now_us), now_us, now_us, stale_from_us=stale_from_us
        )
        return self.hour

    def _turn_hour(self, hour_us: int, *, continues: bool) -> LevelHour:
        """Ends the present hour, and begins the one of that beginning."""
        ended = self.hour
        assert ended is not None
        self.finished.append(ended)
        self._past.add(ended)
        self._previous = ended
        self._at_us = hour_us
        self.hour = LevelHour(
            self.asset_id,
            hour_us,
            hour_us,
            hour_us,
            continues=continues,
            stale_from_us=ended.stale_from_us,
        )
        return self.hour

    def _take_step(self, hour: LevelHour, set_us: int, now_us: int) -> LevelHour:
        """The headend's clock was set by that much."""
        slot = self._slot
        at_us = self._at_us + set_us
        slot.fresh_until_us = min(slot.fresh_until_us + max(set_us, 0), now_us + FRESH_US)
        stale_us = hour.stale_from_us
        stale_us = None if stale_us is None else stale_us + set_us
        if hour_of(at_us) == hour.hour_us:
            self._at_us, hour.stale_from_us = at_us, stale_us
            return hour
        self.finished.append(hour)
        self._past.add(hour)
        self._previous = hour
        return self._begin(at_us, stale_us)

    # --- what was counted -----------------------------------------------------------

    def take_past(self, hours: Iterable[LevelHour]) -> None:
        """Takes over the stored hours of the window that ends now; ``count`` comes before.

        The hours may lack the last ones that ended. If the asset left the fleet and came back
        within an hour, that hour goes on.
        """
        by_hour = {each.hour_us: each for each in hours}
        if self._previous is not None:
            by_hour[self._previous.hour_us] = self._previous
        present_us = max(by_hour, default=NEVER_US) if self.hour is None else self.hour.hour_us
        present = by_hour.get(present_us)
        if self.hour is None:
            self._left = None if present is None else present.copy()
        elif present is not None and present.from_us < present.until_us <= self.hour.from_us:
            self.hour.take_earlier(present)
        self._past = AssetHours(present_us - (WINDOW_HOURS - 1) * HOUR_US)
        for hour_us in sorted(by_hour):
            if hour_us < present_us:
                self._past.add(by_hour[hour_us])

    def sums(self) -> LevelSums:
        """The sums of the window up to the last count."""
        hours = self._past.copy()
        present = self._left if self.hour is None else self.hour
        if present is not None:
            hours.add(present)
        return hours.sums
