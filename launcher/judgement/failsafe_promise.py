"""Devices that retreat under a silent headend, and come back to their order: pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from derproto.configuration.fleet import Asset, AssetKind, FailsafeAction
from launcher.drills.promise import Promise
from launcher.judgement.case_book import CaseBook, PromiseJudgement
from launcher.judgement.evidence import DeviceNote, Evidence, PlacedOrder
from launcher.judgement.fault_times import FaultTimes, S, strikes_process_of
from launcher.judgement.order_promises import followed

SLACK_S = 2.0
"""How much later than its failsafe says a device may be told to retreat, seconds."""

USUAL_RAMP_S = 30.0
"""Time in which a simulated generator without a ramp rate of its own reaches any power, seconds."""

READ_S = 1.0
"""Time in which a command shows in a reading, seconds."""


@dataclass(frozen=True, slots=True)
class _Hold:
    """A time in which a device followed an order, and the command that ended it."""

    order: PlacedOrder
    from_us: int
    to_us: int
    next: DeviceNote | None


def judge_failsafe(evidence: Evidence, times: FaultTimes) -> PromiseJudgement:
    """Compares each device's commands with the silences of its headend."""
    book = CaseBook(Promise.FAILSAFE, times.under)
    for asset_id, asset in evidence.assets.items():
        agent_id = evidence.agent_of[asset_id]
        silences = list(times.silences(agent_id)) if asset.failsafe.after_s > 0 else []
        for order in evidence.orders:
            # Without an answer the end of its window is not known.
            if order.asset_id != asset_id or order.answered_us is None:
                continue
            for hold in _holds(evidence, order):
                due = _due(silences, asset, hold, evidence)
                if due is not None:
                    _judge_retreat(book, evidence, times, asset, hold, due)
                elif _left_early(evidence, hold):
                    _judge_leaving(book, evidence, times, asset, hold)
    return book.judgement()


def _holds(evidence: Evidence, order: PlacedOrder) -> Iterator[_Hold]:
    commands = evidence.commands(order.asset_id)
    for from_us, to_us in followed(evidence, order):
        ending = next((note for note in commands if note.at_us == to_us), None)
        yield _Hold(order, from_us, to_us, ending)


def _due(
    silences: Sequence[tuple[int, int]], asset: Asset, hold: _Hold, evidence: Evidence
) -> tuple[int, int] | None:
    """The silence under which the device, while it follows the order, must retreat."""
    after_us = round((asset.failsafe.after_s + SLACK_S) * S)
    end_us = _end_us(evidence, hold.order)
    for from_us, to_us in silences:
        must_us = from_us + after_us
        if hold.from_us < from_us < hold.to_us and must_us < min(to_us, end_us):
            return from_us, to_us
    return None


def _judge_retreat(
    book: CaseBook,
    evidence: Evidence,
    times: FaultTimes,
    asset: Asset,
    hold: _Hold,
    silence: tuple[int, int],
) -> None:
    from_us, to_us = silence
    agent_id = evidence.agent_of[asset.id]
    if _process_struck(times, agent_id, from_us, to_us) or times.late(from_us, hold.to_us):
        return
    took_s = (hold.to_us - from_us) / S
    limit_s = asset.failsafe.after_s + SLACK_S
    earliest_s = asset.failsafe.after_s - evidence.alive_s - SLACK_S
    at_us, what = hold.to_us, None
    if hold.next is None or took_s > limit_s:
        at_us = from_us + round(limit_s * S)
        what = f"did not retreat within {limit_s:g} s of silence"
    elif took_s < earliest_s:
        what = f"retreated after {took_s:.1f} s of silence already"
    elif not _as_configured(asset, hold.next):
        what = f"{_words(hold.next)} in place of its failsafe"
    if what is not None:
        book.broken(at_us, f"{asset.name} {what}", agent=agent_id)
        return
    book.timed(took_s, hold.to_us, agent=agent_id)
    _judge_power(book, evidence, asset, hold.to_us, to_us)
    _judge_return(book, evidence, times, asset, hold, to_us)


def _judge_power(
    book: CaseBook, evidence: Evidence, asset: Asset, told_us: int, until_us: int
) -> None:
    """The readings of the silence, once the device has had time to reach its default."""
    if asset.failsafe.action is FailsafeAction.RELEASE or asset.default_mw is None:
        return
    reached_us = told_us + round((_ramp_s(asset) + READ_S) * S)
    # The sun may give less than the default.
    most_mw = abs(asset.default_mw) + asset.rated_mw * asset.tolerance_pct / 100
    readings = [
        note
        for note in evidence.notes.get(asset.id, ())
        if note.did == "read" and note.mw is not None and reached_us <= note.at_us < until_us
    ]
    for note in readings:
        if note.mw is not None and abs(note.mw) > most_mw:
            what = f"{asset.name} gave {note.mw:.3f} MW in place of {asset.default_mw:g} MW"
            book.broken(note.at_us, what, agent=evidence.agent_of[asset.id])
            return
    if readings:
        book.kept()


def _ramp_s(asset: Asset) -> float:
    """How long a simulated device takes to reach any power, seconds."""

    def option(key: str) -> float:
        value = asset.device.options.get(key)
        return float(value) if isinstance(value, float | int) else 0.0

    ramp_mw_per_s = option("ramp_mw_per_s")
    usual_s = USUAL_RAMP_S if asset.kind is AssetKind.GENERATOR else 0.0
    ramp_s = asset.rated_mw / ramp_mw_per_s if ramp_mw_per_s else usual_s
    # Two open loop response times leave a hundredth of the change.
    return option("dead_time_s") + 2 * option("open_loop_response_s") + option("start_s") + ramp_s


def _judge_return(
    book: CaseBook,
    evidence: Evidence,
    times: FaultTimes,
    asset: Asset,
    hold: _Hold,
    silence_to_us: int,
) -> None:
    """The order again, if its window lasts and no other fault comes between."""
    agent_id = evidence.agent_of[asset.id]
    met = [each for each in times.on_path(agent_id) if each.to_us <= silence_to_us]
    last_us = max((times.last_us(each) for each in met), default=silence_to_us)
    later = any(
        each.from_us < last_us and each.to_us > silence_to_us for each in times.on_path(agent_id)
    )
    end_us = min(_end_us(evidence, hold.order), evidence.closed_us)
    again = any(
        silence_to_us <= from_us <= last_us or from_us <= silence_to_us < to_us
        for from_us, to_us in followed(evidence, hold.order)
        if from_us > hold.to_us
    )
    if again:
        book.kept()
    elif not later and end_us >= last_us and not times.late(silence_to_us, last_us):
        what = f"{asset.name} did not follow its order again after the silence"
        book.broken(last_us, what, agent=agent_id)


def _left_early(evidence: Evidence, hold: _Hold) -> bool:
    """Whether the device left the order before its window ended, and was not told by the operator.

    The record of a process that was killed ends with ``opened`` of the next one.
    """
    if hold.next is None or hold.next.did == "opened":
        return False
    return hold.to_us < _end_us(evidence, hold.order) - S


def _judge_leaving(
    book: CaseBook, evidence: Evidence, times: FaultTimes, asset: Asset, hold: _Hold
) -> None:
    agent_id = evidence.agent_of[asset.id]
    silent_us = round((asset.failsafe.after_s + evidence.alive_s + SLACK_S) * S)
    if times.touched(agent_id, hold.to_us - silent_us, hold.to_us):
        book.kept()
    elif not times.late(hold.to_us - silent_us, hold.to_us):
        assert hold.next is not None
        what = f"{asset.name} {_words(hold.next)} within its window, without cause"
        book.broken(hold.to_us, what, agent=agent_id)


def _end_us(evidence: Evidence, order: PlacedOrder) -> int:
    """The end of an order: of its window, or by the operator."""
    ends = [each for each in (order.end_us, order.withdrawn_us) if each is not None]
    return min(ends, default=evidence.closed_us)


def _process_struck(times: FaultTimes, agent_id: str, from_us: int, to_us: int) -> bool:
    return any(
        strikes_process_of(each, agent_id)
        and each.from_us <= to_us
        and from_us <= times.last_us(each)
        for each in times.on_path(agent_id)
    )


def _as_configured(asset: Asset, command: DeviceNote) -> bool:
    if asset.failsafe.action is FailsafeAction.RELEASE or asset.default_mw is None:
        return command.did == "released"
    return command.did == "told" and command.mw == asset.default_mw


def _words(command: DeviceNote) -> str:
    return "was released" if command.did == "released" else f"was told {command.mw:g} MW"
