"""Telemetry in time, and agents back in time: pure."""

from bisect import bisect_left

from launcher.drills.promise import Promise
from launcher.judgement.case_book import CaseBook, PromiseJudgement
from launcher.judgement.evidence import Evidence
from launcher.judgement.fault_times import FaultTimes, S

TELEMETRY_S = 10.0
"""The greatest age of the newest sample while an agent is connected, seconds."""


def judge_telemetry(evidence: Evidence, times: FaultTimes) -> PromiseJudgement:
    """Looks at the age of the newest sample, at each moment at which the path was clear."""
    book = CaseBook(Promise.TELEMETRY, times.under, TELEMETRY_S)
    for asset_id, looks in evidence.looks.items():
        agent_id = evidence.agent_of[asset_id]
        for look in looks:
            if not evidence.began_us <= look.at_us <= evidence.closed_us:
                continue
            if not times.clear(agent_id, look.at_us, look.at_us):
                continue
            newest_us = evidence.began_us if look.newest_us is None else look.newest_us
            age_s = (look.at_us - newest_us) / S
            name = evidence.assets[asset_id].name
            what = f"the newest sample of {name} was {age_s:.1f} s old"
            book.timed(age_s, look.at_us, what, agent=agent_id)
    return book.judgement()


def judge_back(evidence: Evidence, times: FaultTimes) -> PromiseJudgement:
    """Looks for the first sample of each asset that was measured after a fault.

    A later fault of the same path may keep an agent away; then only that fault is judged.
    """
    book = CaseBook(Promise.BACK, times.under)
    for asset_id, looks in evidence.looks.items():
        agent_id = evidence.agent_of[asset_id]
        name = evidence.assets[asset_id].name
        for fault in times.on_path(agent_id):
            first = bisect_left(looks, fault.to_us, key=lambda look: look.at_us)
            fresh = next(
                (
                    look.at_us
                    for look in looks[first:]
                    if look.newest_us is not None and look.newest_us >= fault.to_us
                ),
                None,
            )
            limit_s = times.recovery_s(fault)
            last_us = fault.to_us + round(limit_s * S)
            if fresh is not None and fresh <= last_us:
                book.timed((fresh - fault.to_us) / S, fresh, agent=agent_id, limit_s=limit_s)
                continue
            others = any(
                other is not fault
                and other.from_us <= last_us
                and times.ends_us(other) >= fault.to_us
                for other in times.on_path(agent_id)
            )
            if others or times.late(fault.to_us, last_us) or last_us > evidence.closed_us:
                continue
            book.broken(
                last_us, f"{name} was not back {limit_s:.0f} s after {fault}", under=str(fault)
            )
    return book.judgement()
