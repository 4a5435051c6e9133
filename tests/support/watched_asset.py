"""One asset under watch, fed by hand: times are seconds since its first sample."""

from dataclasses import dataclass, field

from derhead.gaps import GapLimits, GapRecord, HoleCause, ReportedGap
from derhead.gaps.holes import Origin
from derhead.gaps.record import rank, report_id
from derhead.gaps.tracker import GapTracker, Unfinished
from derhead.telemetry import LatestTable, Sample, SampleBlock, offer_block
from derproto.codec import TelemetryColumns
from derproto.der.v1 import QualityBit
from tests.support.assets import make_asset, numbered_id
from tests.support.epoch import T0, S

PERIOD_S = 4
ASSET = make_asset(numbered_id(1))
LIMITS = GapLimits.of_period(PERIOD_S * 1000, 10 * S)

Shown = tuple[float, float | None, str, float | None]
"""Start, end, cause, and up to where it was filled; ``filled == end``: backfilled."""


@dataclass(eq=False)
class Session:
    """A stream, as far as a watch looks at one."""

    agent_id: str
    boot_id: int
    seen_us: int = 0


@dataclass
class Headend:
    """The ledger of one asset, with what it wrote; it can be started anew from that."""

    records: dict[str, GapRecord] = field(default_factory=dict)
    samples: list[tuple[int, Origin, int]] = field(default_factory=list)
    """All that was stored: when measured, by whom, when received."""
    ends: dict[Origin, HoleCause] = field(default_factory=dict)
    """Why the last session of each boot ended."""
    now_s: float = 0.0
    session: Session | None = None

    def __post_init__(self) -> None:
        self.start()

    def start(self) -> None:
        """A new life of the headend, which knows what the journal does."""
        self.latest = LatestTable()
        self.tracker = GapTracker([ASSET.id], self.latest, LIMITS)
        if self.samples:
            ts_us, origin, received_us = max(self.samples, key=lambda each: each[0])
            newest = Sample(ASSET.id, *origin, self._next_seq(origin) - 1, ts_us, received_us)
            self.latest.fill([newest])
        if self.session is not None:
            self._note_end(self.session, HoleCause.HEADEND_RESTART)
        unfinished = [
            self._unfinished(each)
            for each in sorted(self.records.values(), key=lambda each: each.start_us)
            if each.end_us is None or not each.backfilled
        ]
        self.tracker.restore(unfinished)
        self.session = None
        self.trusted_us = self._now_us()

    def _unfinished(self, record: GapRecord) -> Unfinished:
        low, high = self._before(record.filled_us or record.start_us), self._after(record.end_us)
        stopped_by = record.cause
        if stopped_by is HoleCause.AGENT_RESTART and low is not None:
            stopped_by = self.ends.get(low, stopped_by)
        return Unfinished(record, low, high, stopped_by)

    def _note_end(self, session: Session, cause: HoleCause) -> None:
        self.ends[Origin(session.agent_id, session.boot_id)] = cause

    def _before(self, us: int) -> Origin | None:
        before = [(ts_us, origin) for ts_us, origin, _ in self.samples if ts_us <= us]
        return max(before)[1] if before else None

    def _after(self, us: int | None) -> Origin | None:
        after = [(ts, origin) for ts, origin, _ in self.samples if us is not None and ts >= us]
        return min(after)[1] if after else None

    def _next_seq(self, origin: Origin) -> int:
        return 1 + sum(1 for _, measured_by, _ in self.samples if measured_by == origin)

    def _now_us(self) -> int:
        return T0 + round(self.now_s * S)

    def _store(self, records: list[GapRecord]) -> None:
        for record in records:
            known = self.records.get(record.id)
            if known is None or rank(record.revision, record.end_us) >= rank(
                known.revision, known.end_us
            ):
                self.records[record.id] = record

    # --- what happens ---------------------------------------------------------------

    def connect(self, agent_id: str = "x", boot_id: int = 1) -> None:
        self.session = Session(agent_id, boot_id, self._now_us())
        began = self.tracker.session_began(
            self.session, [ASSET.id], agent_id, boot_id, self._now_us()
        )
        self._store(began)

    def disconnect(self, because: HoleCause = HoleCause.LINK) -> None:
        session, self.session = self.session, None
        assert session is not None
        self._note_end(session, because)
        ended = self.tracker.session_ended(session, [ASSET.id], because, self._now_us())
        self._store(ended)

    def sample(
        self,
        ts_s: float,
        boot_id: int | None = None,
        *,
        backfill: bool = False,
        seq: int = 0,
        stale: bool = False,
    ) -> None:
        """A sample comes now, of the session's boot if no other is named."""
        assert self.session is not None
        self.session.seen_us = self._now_us()
        origin = Origin(self.session.agent_id, boot_id or self.session.boot_id)
        message = TelemetryColumns(
            boot_id=origin.boot_id,
            first_seq=seq or self._next_seq(origin),
            asset_index=[0],
            ts_us=[T0 + round(ts_s * S)],
            p_mw=[1.0],
            quality=[QualityBit.STALE_DEVICE if stale else 0],
            backfill=backfill,
        )
        block = SampleBlock(
            message,
            range(1),
            agent_id=origin.agent_id,
            assets={0: ASSET},
            received_us=self._now_us(),
            setpoints_mw={},
        )
        offer_block({0: self.latest.slot(ASSET.id)}, block)
        self.samples.append((message.ts_us[0], origin, block.received_us))
        self._store(self.tracker.take(self._now_us()))

    def live(
        self, first_s: float, last_s: float, *, ahead_s: float = 0.0, stale: bool = False
    ) -> None:
        """Samples every period from the one to the other, each as it is measured."""
        at_s = first_s
        while at_s <= last_s:
            self.now_s = at_s
            self.sample(at_s + ahead_s, stale=stale)
            at_s += PERIOD_S

    def backfill(self, first_s: float, last_s: float, boot_id: int | None = None) -> None:
        """The same from an outbox, all of it now."""
        at_s = first_s
        while at_s <= last_s:
            self.sample(at_s, boot_id, backfill=True)
            at_s += PERIOD_S

    def tell(
        self,
        cause: HoleCause,
        start_s: float,
        end_s: float | None,
        *,
        number: int = 1,
        revision: int = 1,
        rows: int = 0,
        boot_id: int | None = None,
    ) -> None:
        assert self.session is not None
        origin = Origin(self.session.agent_id, boot_id or self.session.boot_id)
        report = ReportedGap(
            report_id(*origin, number),
            origin,
            cause,
            T0 + round(start_s * S),
            None if end_s is None else T0 + round(end_s * S),
            rows,
            revision,
        )
        self._store(self.tracker.take_report(ASSET.id, report, self._now_us()))

    def wait(self, until_s: float) -> None:
        """Time passes, and every second it is looked who is silent."""
        while self.now_s + 1 <= until_s:
            self.now_s += 1
            for watch in self.tracker.watches.values():
                watch.check_silence(self._now_us(), self.trusted_us)
            self._store(self.tracker.take(self._now_us()))
        self.now_s = until_s

    # --- what is there --------------------------------------------------------------

    def shown(self) -> list[Shown]:
        """As ``GET /telemetry/{id}/gaps`` shows it, oldest first."""
        return [
            (_s(each.start_us) or 0.0, _s(each.end_us), each.cause.value, _s(each.filled_us))
            for each in sorted(self.records.values(), key=lambda each: each.start_us)
            if each.cause is not HoleCause.NONE
        ]


def _s(us: int | None) -> float | None:
    return None if us is None else (us - T0) / S
