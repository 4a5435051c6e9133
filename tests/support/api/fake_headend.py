"""A small headend for REST: three assets at one site, two agents."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import trio

from derhead.audit import NOBODY_KNOWN, AuditAction, AuditRecord, AuditTrail, Caller
from derhead.dispatch import (
    Allocation,
    AssetOrder,
    Dispatch,
    DispatchGroup,
    DoesNotFit,
    ForgetKeys,
    FoundGroup,
    KeyClaim,
    KeyKeeper,
    LeftOut,
    NotOpen,
    Preflight,
    SiteNow,
    SiteOrder,
    SitePreflight,
    State,
    StateChange,
    TooManyOpen,
    UsedKey,
    Verdict,
)
from derhead.dispatch.orders.preflight import preflight
from derhead.dispatch.verdicts.verdict import judge
from derhead.errors import JournalError
from derhead.events import LoggedEvent, LogSpan
from derhead.gaps import GapRecord, HoleCause
from derhead.history import BadCursor, Histories, Page, PageRequest
from derhead.observability import Readiness
from derhead.service_levels import GapSums, Latencies, LevelSums, Objectives
from derhead.sessions import HeartbeatRecord, SessionRecord
from derhead.shapes import ConnectedAgent
from derhead.telemetry import Bucket, LatestTable, Sample
from derproto.base.runtime import real_runtime
from derproto.base.timefmt import parse_us
from derproto.configuration.fleet import AssetKind, Fleet
from derproto.metrics.exposition import Metrics
from tests.support.assets import fleet_of, make_asset
from tests.support.audit_notes import AuditNotes

NOW = parse_us("2026-01-31T12:00:00Z")
SITE = "0f0e0d0c-0000-4000-8000-000000000000"
SOLAR, BATTERY, SILENT = (f"0f0e0d0c-0000-4000-8000-00000000000{n}" for n in (1, 2, 3))
DISPATCH = "d0d0d0d0-0000-4000-8000-000000000000"
NEXT = "next"
"""The only valid cursor, which every page here has."""


def make_fleet() -> Fleet:
    return fleet_of(
        make_asset(SOLAR, AssetKind.SOLAR, 0.0, 2.0, name="roof", site_id=SITE),
        make_asset(BATTERY, AssetKind.BATTERY, -1.0, 1.0, name="battery-1", site_id=SITE),
        make_asset(SILENT, AssetKind.LOAD, -0.5, 0.0, name="pump", site_id=SITE),
        site_name="Alamosa",
    )


SAMPLE = Sample(
    asset_id=BATTERY,
    agent_id="agent-1",
    boot_id=7,
    seq=1,
    ts_us=NOW - 2_500_000,
    received_us=NOW - 2_400_000,
    p_mw=-0.25,
    soc=0.5,
    frequency_hz=59.98,
    status=4,
    quality=1 | 8,
    setpoint_mw=-0.3,
)
AGENT = ConnectedAgent(
    id="agent-1",
    site_id=SITE,
    asset_ids=(SOLAR, BATTERY),
    session_id="5e550000-0000-4000-8000-000000000000",
    connected_us=NOW - 60_000_000,
    last_seen_us=NOW - 500_000,
    peer="127.0.0.1:40000",
    software_version="0.1.0",
    clock_offset_us=-1500,
    outbox_rows=3,
    duplicate_id=False,
    certificate_end_us=parse_us("2026-12-31T00:00:00Z"),
)
HEARTBEAT = HeartbeatRecord(
    "agent-1", NOW - 9_000_000, NOW - 8_000_000, 60_500, 3, 0, ((BATTERY, "ok"),)
)
SESSION = SessionRecord(
    session_id=AGENT.session_id,
    agent_id="agent-1",
    site_id=SITE,
    asset_ids=(SOLAR, BATTERY),
    connected_us=NOW - 60_000_000,
    peer="127.0.0.1:40000",
    software_version="0.1.0",
    boot_id=7,
    ended_us=NOW - 1_000_000,
    end_reason="silent",
    messages=20,
    samples=30,
    clock_offset_us=2500,
)
DISPATCHED = Dispatch(
    id=DISPATCH,
    asset_id=BATTERY,
    mw=-0.5,
    created_us=NOW,
    start_us=NOW,
    duration_us=60_000_000,
    priority=128,
    state=State.STARTED,
    applied_mw=-0.45,
    ordered_by="anna",
    states=(StateChange(State.PENDING, NOW), StateChange(State.STARTED, NOW + 250_000)),
)
GROUP = "d0d0d0d0-0000-4000-8000-00000000000f"
GROUPED = DispatchGroup(
    id=GROUP,
    site_id=SITE,
    mw=1.5,
    created_us=NOW,
    start_us=NOW,
    duration_us=60_000_000,
    expires_us=NOW + 900_000_000,
    left_out=(LeftOut(SILENT, "offline"),),
    ordered_by="anna",
)
PARTS = tuple(
    replace(
        DISPATCHED,
        id=f"d0d0d0d0-0000-4000-8000-0000000000{round(mw * 10):02d}",
        asset_id=asset_id,
        mw=mw,
        group_id=GROUP,
    )
    for asset_id, mw in ((SOLAR, 1.0), (BATTERY, 0.5))
)
SITE_NOW = SiteNow(
    total=3,
    online=1,
    stale=1,
    offline=1,
    measured=1,
    p_mw=-0.25,
    rated_mw=3.5,
    available_up_mw=1.25,
    available_down_mw=0.75,
)
GAP = GapRecord(
    id="9a900000-0000-5000-8000-000000000000",
    asset_id=BATTERY,
    agent_id="agent-1",
    start_us=NOW - 90_000_000,
    end_us=NOW - 30_000_000,
    cause=HoleCause.LINK,
    rows=None,
    backfilled=False,
    filled_us=NOW - 60_000_000,
    revision=3,
    noticed_us=NOW - 30_000_000,
)
LASTING_GAP = replace(GAP, end_us=None, cause=HoleCause.DEVICE, rows=7, filled_us=None)
ENTRY = AuditRecord(
    id="a0d10000-0000-4000-8000-000000000000",
    at_us=NOW,
    action=AuditAction.WITHDRAWAL,
    caller=None,
    peer="192.0.2.7",
    request_id="r-1",
    target=DISPATCH,
    site_id=SITE,
    detail="=a reason",
    before='{"state": "started"}',
    after='{"state": "started", "cancelling": "=a reason"}',
)
BUCKET = Bucket(NOW, 15, mean_mw=0.5, min_mw=0.25, max_mw=1.0, last_mw=None)


@dataclass
class FakeHistory(Histories):
    """Answers each query with one record, and records the queries."""

    asked: list[tuple[str, dict[str, object]]] = field(default_factory=list)
    dispatches: dict[str, Dispatch] = field(default_factory=lambda: {DISPATCH: DISPATCHED})
    error: Exception | None = None
    events: list[LoggedEvent] = field(default_factory=list)
    happened: trio.lowlevel.ParkingLot = field(default_factory=trio.lowlevel.ParkingLot)

    async def _page(self, listing: object) -> Page[Any]:
        raise AssertionError("each question has an answer of its own")

    async def _gather(self, asked: object) -> Sequence[Any]:
        raise AssertionError("each question has an answer of its own")

    def _ask(self, query: str, **arguments: object) -> None:
        self.asked.append((query, arguments))
        if self.error is not None:
            raise self.error
        page = arguments.get("page")
        if isinstance(page, PageRequest) and page.cursor not in (None, NEXT):
            raise BadCursor("the cursor is not one that this server gave out")

    async def telemetry_history(self, asset_id: str, page: PageRequest) -> Page[Sample]:
        self._ask("telemetry_history", asset_id=asset_id, page=page)
        return Page((replace(SAMPLE, asset_id=asset_id),), NEXT)

    async def telemetry_buckets(
        self, asset_id: str, page: PageRequest, *, step_us: int
    ) -> Page[Bucket]:
        self._ask("telemetry_buckets", asset_id=asset_id, step_us=step_us, page=page)
        return Page((BUCKET,), None)

    async def gaps(self, asset_id: str, page: PageRequest) -> Page[GapRecord]:
        self._ask("gaps", asset_id=asset_id, page=page)
        return Page((LASTING_GAP, GAP), NEXT)

    async def dispatch_history(
        self,
        page: PageRequest,
        *,
        asset_id: str | None = None,
        asset_ids: Sequence[str] | None = None,
        states: Collection[State] | None = None,
    ) -> Page[Dispatch]:
        self._ask(
            "dispatch_history", asset_id=asset_id, asset_ids=asset_ids, states=states, page=page
        )
        return Page((DISPATCHED,), NEXT)

    async def dispatch(self, dispatch_id: str) -> Dispatch | None:
        self._ask("dispatch", dispatch_id=dispatch_id)
        return self.dispatches.get(dispatch_id)

    async def group(self, group_id: str) -> FoundGroup | None:
        self._ask("group", group_id=group_id)
        return (GROUPED, PARTS) if group_id == GROUP else None

    async def sessions(self, agent_id: str, page: PageRequest) -> Page[SessionRecord]:
        self._ask("sessions", agent_id=agent_id, page=page)
        return Page((SESSION,), None)

    async def heartbeats(self, agent_id: str, page: PageRequest) -> Page[HeartbeatRecord]:
        self._ask("heartbeats", agent_id=agent_id, page=page)
        return Page((HEARTBEAT,), None)

    async def audit(
        self,
        page: PageRequest,
        *,
        actions: Collection[AuditAction] | None = None,
        caller: str | None = None,
        target: str | None = None,
        site_ids: Sequence[str] | None = None,
    ) -> Page[AuditRecord]:
        self._ask(
            "audit", actions=actions, caller=caller, target=target, site_ids=site_ids, page=page
        )
        return Page((ENTRY,), NEXT)

    async def event_span(self) -> LogSpan:
        self._ask("event_span")
        return LogSpan(self.events[0].id - 1, self.events[-1].id) if self.events else LogSpan(9, 9)

    async def events_after(self, after: int, *, limit: int) -> Sequence[LoggedEvent] | None:
        self._ask("events_after", after=after, limit=limit)
        return [event for event in self.events if event.id > after][:limit]

    async def wait_event(self, after: int) -> None:
        while not self.events or self.events[-1].id <= after:
            await self.happened.park()

    def happen(self, *events: LoggedEvent) -> None:
        """Logs them."""
        self.events.extend(events)
        self.happened.unpark_all()


@dataclass
class FakeKeys:
    """Idempotency keys in memory."""

    used: dict[str, UsedKey] = field(default_factory=dict)

    async def used_key(self, key: str) -> UsedKey | None:
        await trio.lowlevel.checkpoint()
        return self.used.get(key)

    async def count_keys(self) -> int:
        await trio.lowlevel.checkpoint()
        return len(self.used)

    async def write(self, *records: ForgetKeys) -> None:
        await trio.lowlevel.checkpoint()

    def note(self, claim: KeyClaim | None, kind: Literal["dispatch", "group"], to: str) -> None:
        if claim is not None:
            self.used[claim.key] = claim.used(kind, to, NOW)


class FakeLevels:
    """The same service levels of every asset but the pump, which never sent a sample."""

    def sums(self, asset_id: str) -> LevelSums:
        if asset_id == SILENT:
            return LevelSums()
        late = asset_id == SOLAR
        return LevelSums(
            assets=1,
            from_us=NOW - 1_000_000_000,
            counted_us=1_000_000_000,
            down_us=1_000_000,
            fresh_us=998_500_000 if late else 999_500_000,
            held_us=999_000_000,
            reconnects=2,
            outages=1,
            longest_us=1_500_000 if late else 500_000,
            received=Latencies({-40: 199, 1: 1}) if late else Latencies(),
            started=Latencies({-32: 197, 8: 3}) if late else Latencies(),
        )

    def gaps(self, asset_id: str) -> GapSums:
        return GapSums.of([GAP, LASTING_GAP] if asset_id == BATTERY else [], NOW - 60_000_000)


class FakeView:
    """``agent-1`` is connected and holds roof and battery; ``agent-2`` held the pump once."""

    def __init__(self) -> None:
        self.fleet = make_fleet()
        self.latest = LatestTable()
        self.latest.offer(SAMPLE)
        self.telemetry_period_ms = 4000
        self.history = FakeHistory()
        self.readiness = Readiness()
        self.metrics = Metrics()
        self.orders: list[AssetOrder | SiteOrder] = []
        self.stored_keys = FakeKeys()
        runtime = replace(real_runtime(), wall_us=self.wall_us)
        self.keys = KeyKeeper(self.stored_keys, trio.lowlevel.checkpoint, runtime)
        self.slow_s = 0.0
        """How long the desk takes for an order."""
        self.verdicts_asked: list[str] = []
        self.group_cancels: list[tuple[str, str]] = []
        self.group_left: FoundGroup | None = None
        """What a withdrawal makes of the one group; None if it has ended."""
        self.why_failing: str | None = None
        self.why_held: str | None = None
        self.journal_refuses = False
        """Whether orders and withdrawals cannot be stored."""
        self.full = False
        self.cancels: list[tuple[str, str]] = []
        self.callers: list[Caller] = []
        self.audited = AuditNotes()
        self.audit = AuditTrail(self.audited, real_runtime())
        self.cancelled: Dispatch | None = None
        """What a withdrawal makes of the one dispatch; None if it has ended."""
        self.levels = FakeLevels()
        self.objectives = Objectives()
        self.last_holders = {SOLAR: "agent-1", BATTERY: "agent-1", SILENT: "agent-2"}

    @property
    def journal(self) -> FakeHistory:
        return self.history

    def wall_us(self) -> int:
        return NOW

    def agents(self) -> Sequence[ConnectedAgent]:
        return (AGENT,)

    def holder(self, asset_id: str) -> str | None:
        return "agent-1" if asset_id in AGENT.asset_ids else None

    def last_holder(self, asset_id: str) -> str | None:
        return self.last_holders.get(asset_id)

    def knows_agent(self, agent_id: str) -> bool:
        return agent_id in ("agent-1", "agent-2")

    def heartbeat(self, agent_id: str) -> HeartbeatRecord | None:
        return HEARTBEAT if agent_id == "agent-1" else None

    def setpoint_mw(self, asset_id: str) -> float | None:
        return -0.5 if asset_id == BATTERY else None

    async def order(
        self, order: AssetOrder, claim: KeyClaim | None = None, caller: Caller = NOBODY_KNOWN
    ) -> Dispatch:
        self.callers.append(caller)
        await trio.sleep(self.slow_s)
        if self.journal_refuses:
            raise JournalError("the disk is full")
        if self.full:
            raise TooManyOpen("withdraw some")
        self.orders.append(order)
        self.stored_keys.note(claim, "dispatch", DISPATCH)
        return replace(DISPATCHED, asset_id=order.asset_id, mw=order.mw)

    async def order_site(
        self, order: SiteOrder, claim: KeyClaim | None = None, caller: Caller = NOBODY_KNOWN
    ) -> FoundGroup | DoesNotFit:
        if order.mw > 30:
            return DoesNotFit(0.0, 0.0, (LeftOut(SOLAR, "offline"), LeftOut(SILENT, "offline")))
        if order.mw > 3:
            return DoesNotFit(-1.0, 3.0)
        self.orders.append(order)
        self.stored_keys.note(claim, "group", GROUP)
        return GROUPED, PARTS

    def preflight(self, order: AssetOrder) -> Preflight:
        asset = self.fleet.assets[order.asset_id]
        return preflight(order, asset, (), online=True, p_mw=0.25, soc=0.5, now_us=NOW)

    async def site_now(self, site_id: str) -> SiteNow:
        assert site_id in self.fleet.sites
        return SITE_NOW

    async def preflight_site(self, order: SiteOrder) -> SitePreflight:
        if order.mw > 3:
            return SitePreflight(order, DoesNotFit(-1.0, 3.0), (), "Alamosa cannot do it.")
        parts = (self.preflight(AssetOrder(BATTERY, order.mw)),)
        split = Allocation((), (LeftOut(SILENT, "offline"),))
        return SitePreflight(order, split, parts, "Alamosa would hold it.")

    async def verdict_so_far(self, dispatch: Dispatch) -> Verdict | None:
        self.verdicts_asked.append(dispatch.id)
        return judge(dispatch, self.fleet.assets[dispatch.asset_id], None, final=False)

    async def cancel_group(
        self, group_id: str, reason: str, caller: Caller = NOBODY_KNOWN
    ) -> FoundGroup | None:
        self.group_cancels.append((group_id, reason))
        if group_id == GROUP and self.group_left is None:
            raise NotOpen(group_id)
        return self.group_left if group_id == GROUP else None

    async def cancel(
        self, dispatch_id: str, reason: str, caller: Caller = NOBODY_KNOWN
    ) -> Dispatch:
        self.cancels.append((dispatch_id, reason))
        if self.journal_refuses:
            raise JournalError("the disk is full")
        if self.cancelled is None:
            raise NotOpen(dispatch_id)
        return self.cancelled

    def failing(self) -> str | None:
        return self.why_failing

    def held(self) -> str | None:
        return self.why_held
