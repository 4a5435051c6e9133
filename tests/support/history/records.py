"""Records to fill journals with."""

from typing import Any

from derhead.audit import AuditAction, AuditRecord
from derhead.dispatch.life.dispatches import Dispatch, StateChange
from derhead.dispatch.life.transitions import State
from derhead.gaps import GapRecord, HoleCause
from derhead.service_levels import Latencies, LevelHour
from derhead.sessions import HeartbeatRecord, SessionRecord
from derhead.telemetry import Sample
from tests.support.epoch import S


def sample(
    seq: int,
    *,
    asset: str = "asset-1",
    agent: str = "agent-1",
    boot: int = 2**64 - 1,
    ts_us: int | None = None,
    p_mw: float | None = 1.5,
) -> Sample:
    when_us = seq * S if ts_us is None else ts_us
    return Sample(
        asset_id=asset,
        agent_id=agent,
        boot_id=boot,
        seq=seq,
        ts_us=when_us,
        received_us=when_us + 7,
        p_mw=p_mw,
        q_mvar=-0.25,
        soc=0.5,
        voltage_v=230.1,
        frequency_hz=None,
        status=2,
        quality=8,
        setpoint_mw=-1.0,
    )


def dispatch(
    name: str,
    *,
    asset: str = "asset-1",
    created_us: int = 10 * S,
    states: tuple[State, ...] = (State.PENDING,),
    attempts: int | None = None,
    **more: Any,
) -> Dispatch:
    changes = tuple(
        StateChange(state, created_us + n, "LOCAL" if n else None, "a word" if n else None)
        for n, state in enumerate(states)
    )
    return Dispatch(
        id=name,
        asset_id=asset,
        mw=-2.5,
        created_us=created_us,
        start_us=created_us + S,
        duration_us=60 * S,
        priority=3,
        ramp_mw_per_s=0.1,
        group_id="group",
        expires_us=created_us + 900 * S,
        state=states[-1],
        reason=changes[-1].reason,
        detail=changes[-1].detail,
        applied_mw=-2.4,
        session_id="session-1",
        attempts=states.count(State.SENT) if attempts is None else attempts,
        states=changes,
        **more,
    )


def session(
    name: str = "session-1",
    *,
    agent: str = "agent-1",
    connected_us: int = S,
    assets: tuple[str, ...] = ("asset-1",),
    boot: int = 2**64 - 1,
    ended_us: int | None = None,
    end_reason: str | None = None,
    messages: int = 0,
    proof: str | None = None,
) -> SessionRecord:
    return SessionRecord(
        session_id=name,
        agent_id=agent,
        site_id="site-1",
        asset_ids=assets,
        connected_us=connected_us,
        peer="[::1]:5",
        software_version="0.1.0",
        boot_id=boot,
        ended_us=ended_us,
        end_reason=end_reason,
        messages=messages,
        proof=proof,
    )


def heartbeat(received_us: int, *, agent: str = "agent-1", outbox_rows: int = 3) -> HeartbeatRecord:
    return HeartbeatRecord(
        agent_id=agent,
        ts_us=received_us - 5,
        received_us=received_us,
        uptime_ms=2**64 - 1 if outbox_rows > 2**63 else 1000,
        outbox_rows=outbox_rows,
        dropped_rows=0,
        devices=(("asset-1", "ok"), ("asset-2", "degraded")),
    )


def entry(
    name: str = "entry-1",
    at_us: int = S,
    *,
    action: AuditAction = AuditAction.ORDER,
    caller: str | None = "anna",
    target: str | None = "dispatch-1",
    site: str | None = "site-1",
) -> AuditRecord:
    return AuditRecord(
        id=name,
        at_us=at_us,
        action=action,
        caller=caller,
        peer="127.0.0.1",
        request_id="r-1",
        target=target,
        site_id=site,
        detail="a reason",
        before=None,
        after='{"mw": 1.5}',
    )


def gap(
    name: str = "gap-1",
    *,
    asset: str = "asset-1",
    start_us: int = S,
    end_us: int | None = 60 * S,
    cause: HoleCause = HoleCause.LINK,
    revision: int = 1,
    filled_us: int | None = None,
    backfilled: bool = False,
) -> GapRecord:
    return GapRecord(
        id=name,
        asset_id=asset,
        agent_id="agent-1",
        start_us=start_us,
        end_us=end_us,
        cause=cause,
        rows=None,
        backfilled=backfilled,
        filled_us=filled_us,
        revision=revision,
        noticed_us=start_us + 7,
    )


def level(hour_us: int, *, asset: str = "asset-1", seen_us: int = 60 * S) -> LevelHour:
    """An hour of service levels. The next hour differs in its optional values."""
    odd = hour_us // S % 2 == 1
    return LevelHour(
        asset,
        hour_us,
        from_us=hour_us + 1,
        until_us=hour_us + seen_us,
        continues=odd,
        seen_us=seen_us,
        fresh_us=50 * S,
        stale_from_us=hour_us + 50 * S if odd else None,
        received=Latencies({-40: 3, 2: 1} if odd else {}),
    )
