"""Gaps: stretches of history that an agent will never send. Pure.

Rows of one asset that go missing one after another, for one cause, are one gap. Each lost row
widens the gap and raises its revision. The gap stops growing once a row measured after it has
arrived at the headend.

A device that does not answer opens a gap. The device's next answer closes the gap. After a restart
the first reading closes it, answered or not: a killed agent may have forgotten an answer. The agent
reports a gap until the headend acknowledges its newest revision. Then the agent drops the gap,
unless the gap can still grow.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from derproto.der.v1 import GapCause

GAPS_KEPT = 4096
"""Gaps that the headend does not have yet, 100 bytes each. When full, the newest gap of the
same asset and cause is widened over the time between; the first gap of each always fits."""

GapKey = tuple[int, int]
"""The boot in which the gap was noticed, and its number within that boot."""


@dataclass(frozen=True, slots=True)
class Gap:
    """One gap of one asset, as in ``der.v1.GapReport``."""

    boot_id: int
    number: int
    revision: int
    asset_index: int
    cause: GapCause
    start_us: int
    end_us: int
    """0 while the gap is open."""
    rows: int

    @property
    def key(self) -> GapKey:
        return self.boot_id, self.number

    @property
    def is_open(self) -> bool:
        return self.end_us == 0


@dataclass(frozen=True, slots=True)
class MissingRows:
    """Rows of one asset and one boot that were lost for one cause."""

    asset_index: int
    cause: GapCause
    boot_id: int
    first_seq: int
    last_seq: int
    start_us: int
    """Time of the earliest row."""
    end_us: int
    """Time of the latest row."""
    rows: int


@dataclass(frozen=True, slots=True)
class DeliveredRows:
    """A range of rows of one asset and one boot that arrived at the headend."""

    asset_index: int
    boot_id: int
    first_seq: int
    last_seq: int


@dataclass(slots=True)
class _Growing:
    """A gap that can still grow."""

    key: GapKey
    boot_id: int
    last_seq: int
    before_seq: int | None = None
    """The first row known to have arrived after the gap, which ends its growth."""

    def goes_on_with(self, missing: MissingRows) -> bool:
        if missing.boot_id != self.boot_id:
            return False
        return self.before_seq is None or missing.first_seq < self.before_seq


@dataclass(frozen=True, slots=True)
class Unsaved:
    """Changes of gaps that are not yet in the file."""

    gaps: tuple[Gap, ...]
    """New and changed gaps."""
    gone: tuple[GapKey, ...]


class GapBook:
    """The gaps of one agent. When full: see GAPS_KEPT."""

    def __init__(self, boot_id: int) -> None:
        self._boot_id = boot_id
        self._numbers = 0
        self._gaps: dict[GapKey, Gap] = {}
        self._acked: set[GapKey] = set()
        """Gaps whose newest revision is acknowledged."""
        self._growing: dict[tuple[int, GapCause], _Growing] = {}
        self._away: dict[int, GapKey] = {}
        """The open gap of each asset whose device does not answer."""
        self._left_open: dict[int, GapKey] = {}
        """The open gap that an earlier process left of each asset."""
        self._due: dict[GapKey, None] = {}
        """Gaps to be reported in this session."""
        self._unsaved: dict[GapKey, None] = {}

    def __len__(self) -> int:
        return len(self._gaps)

    def __contains__(self, key: GapKey) -> bool:
        return key in self._gaps

    @property
    def grows(self) -> bool:
        """Whether any gap can still grow. If none can, it does not matter which rows arrive."""
        return bool(self._growing)

    # --- what happens -------------------------------------------------------------------

    def note_missing(self, missing: MissingRows) -> None:
        """Rows are lost: opens a gap, or widens the last one."""
        place = missing.asset_index, missing.cause
        growing = self._growing.get(place)
        found = None
        if growing is not None:
            if growing.goes_on_with(missing):
                found = growing.key
            else:
                self._stop_growing(place)
        if found is None:
            found = self._newest_if_full(*place)
        if found is None:
            gap = self._new(
                missing.asset_index, missing.cause, missing.start_us, missing.end_us, missing.rows
            )
        else:
            old = self._gaps[found]
            gap = replace(
                old,
                start_us=min(old.start_us, missing.start_us),
                end_us=max(old.end_us, missing.end_us),
                rows=old.rows + missing.rows,
            )
            self._change(gap)
        self._growing[place] = _Growing(gap.key, missing.boot_id, missing.last_seq)

    def note_delivered(self, delivered: DeliveredRows) -> None:
        """Rows arrived at the headend: no gap of their asset grows beyond them."""
        for cause in (GapCause.OVERFLOW, GapCause.REFUSED):
            growing = self._growing.get((delivered.asset_index, cause))
            if (
                growing is not None
                and growing.boot_id == delivered.boot_id
                and delivered.last_seq > growing.last_seq
            ):
                first = max(delivered.first_seq, growing.last_seq + 1)
                before = growing.before_seq
                growing.before_seq = first if before is None else min(before, first)

    def note_device(self, asset_index: int, ts_us: int, *, answers: bool) -> None:
        """A device was read. Units: microseconds since the epoch, by the agent's clock."""
        left_open = self._left_open.pop(asset_index, None)
        if left_open is not None:
            self._close(left_open, ts_us)
        away = self._away.get(asset_index)
        if answers and away is not None:
            del self._away[asset_index]
            self._close(away, ts_us)
        elif not answers and away is None:
            found = self._newest_if_full(asset_index, GapCause.DEVICE)
            if found is None:
                found = self._new(asset_index, GapCause.DEVICE, ts_us, 0, 0).key
            else:
                self._change(replace(self._gaps[found], end_us=0))
            self._away[asset_index] = found

    # --- to the headend -----------------------------------------------------------------

    def begin_session(self) -> None:
        """Begins a session: every gap that is not acknowledged is to be reported again."""
        self._due = dict.fromkeys(key for key in self._gaps if key not in self._acked)

    @property
    def has_due(self) -> bool:
        return bool(self._due)

    def take(self) -> Gap | None:
        """The next gap to report; None if there is none."""
        while self._due:
            key = next(iter(self._due))
            del self._due[key]
            gap = self._gaps.get(key)
            if gap is not None:
                return gap
        return None

    def ack(self, boot_id: int, number: int, revision: int) -> None:
        """Notes that the headend has a revision of a gap. Only the newest revision counts."""
        gap = self._gaps.get((boot_id, number))
        if gap is None or revision < gap.revision:
            return
        self._acked.add(gap.key)
        self._due.pop(gap.key, None)
        self._forget_if_done(gap.key)

    # --- to the file --------------------------------------------------------------------

    @property
    def has_unsaved(self) -> bool:
        return bool(self._unsaved)

    def take_unsaved(self) -> Unsaved:
        """The changes since the last call."""
        keys, self._unsaved = self._unsaved, {}
        gaps = tuple(self._gaps[key] for key in keys if key in self._gaps)
        return Unsaved(gaps, tuple(key for key in keys if key not in self._gaps))

    def put_back(self, unsaved: Unsaved) -> None:
        """Takes back changes that could not be saved."""
        for key in (*(gap.key for gap in unsaved.gaps), *unsaved.gone):
            self._unsaved[key] = None

    def save_all(self) -> None:
        """Marks every gap as unsaved, since the file is new."""
        self._unsaved = dict.fromkeys(self._gaps)

    def restore(self, gaps: Iterable[Gap]) -> None:
        """Takes over the gaps that an earlier process of the agent left in the file."""
        for gap in gaps:
            self._gaps[gap.key] = gap
            if gap.is_open:
                self._left_open[gap.asset_index] = gap.key

    # --- within -------------------------------------------------------------------------

    def _new(self, asset_index: int, cause: GapCause, start_us: int, end_us: int, rows: int) -> Gap:
        self._numbers += 1
        gap = Gap(self._boot_id, self._numbers, 0, asset_index, cause, start_us, end_us, rows)
        self._change(gap)
        return self._gaps[gap.key]

    def _close(self, key: GapKey, ts_us: int) -> None:
        gap = self._gaps[key]
        # If the clock was set back meanwhile, the gap must not end before it began.
        self._change(replace(gap, end_us=max(gap.start_us, ts_us)))

    def _change(self, gap: Gap) -> None:
        self._gaps[gap.key] = replace(gap, revision=gap.revision + 1)
        self._acked.discard(gap.key)
        self._due[gap.key] = None
        self._unsaved[gap.key] = None

    def _stop_growing(self, place: tuple[int, GapCause]) -> None:
        key = self._growing.pop(place).key
        self._forget_if_done(key)

    def _forget_if_done(self, key: GapKey) -> None:
        if key not in self._acked or self._gaps[key].is_open:
            return
        if any(growing.key == key for growing in self._growing.values()):
            return
        del self._gaps[key]
        self._acked.discard(key)
        self._unsaved[key] = None

    def _newest_if_full(self, asset_index: int, cause: GapCause) -> GapKey | None:
        if len(self._gaps) < GAPS_KEPT:
            return None
        alike = [
            gap.key
            for gap in self._gaps.values()
            if gap.asset_index == asset_index and gap.cause is cause
        ]
        return alike[-1] if alike else None
