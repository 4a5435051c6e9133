"""What must hold of every run, checked against the device's own record.

Each check has a name, and says in words what is wrong, or nothing. The list of them stands
at the top of the tests.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

from derhead.dispatch import ENDED, Dispatch, State
from tests.support.dispatch.record import Record, Span, Stretch, seconds

TINY_S = 0.005
"""Rounding, and the loop's own turns."""

TELL_S = 5.0
"""The longest that a command may be on its way to a willing device."""

AGAIN_S = 12.0
"""The longest that it takes until a device that was not willing is told again, once it is."""

TAKEN = frozenset({State.STARTED, State.COMPLETED})
"""States that say that the device took it."""

UNTOUCHED = frozenset({State.EXPIRED, State.REJECTED})
"""Ends that say that it never did."""


def ends_once(record: Record, dispatch: Dispatch) -> Iterator[str]:
    """Every dispatch ends, in exactly one state, by steps that the lifecycle allows."""
    ends = [change for change in dispatch.states if change.state in ENDED]
    if dispatch.state not in ENDED:
        yield f"is still {dispatch.state}"
    elif [change.state for change in ends] != [dispatch.state]:
        yield f"ended {len(ends)} times: {[str(change.state) for change in ends]}"
    elif dispatch.states[-1].state is not dispatch.state:
        yield f"went on after its end: {dispatch.states[-1].state}"
    for before, after in pairwise(dispatch.states):
        # Orders of one microsecond are told apart by one more.
        if before.at_us > after.at_us + 10:
            yield f"{after.state} came before {before.state}"
        if before.state is after.state:
            yield f"{after.state} twice"


def says_what_the_device_did(record: Record, dispatch: Dispatch) -> Iterator[str]:
    """The state in which it ended is what the device did."""
    followed = record.followed(dispatch.id)
    said_taken = any(change.state in TAKEN for change in dispatch.states)
    if said_taken and not followed:
        yield "is said to have started, and the device never took it"
    if followed and dispatch.state in UNTOUCHED:
        yield f"is {dispatch.state}, and the device took it"
    if dispatch.state is State.FAILED:
        if dispatch.reason == "NO_REPORT":
            if not record.diskless or not record.down:
                yield "has no report although its agent came back"
        elif not _excused(
            record.unwilling + record.diskless, seconds(dispatch.created_us), _ended_s(dispatch)
        ):
            yield f"failed ({dispatch.reason}) on a willing device"
    if dispatch.state is State.COMPLETED:
        yield from _completed(record, dispatch, followed)


def _completed(record: Record, dispatch: Dispatch, followed: Sequence[Stretch]) -> Iterator[str]:
    end_us = dispatch.window.end_us
    if end_us is None:
        yield "completed without an end of its window"
        return
    if not followed:
        return
    end_s = seconds(end_us)
    if _misled(record, dispatch, end_s):
        return
    if _ended_s(dispatch) < end_s - TINY_S:
        yield f"completed {end_s - _ended_s(dispatch):.3f} s before its window's end"
    gaps_s = [later.from_s - earlier.to_s for earlier, later in pairwise(followed)]
    missing_s = sum(gaps_s) + max(0.0, end_s - followed[-1].to_s)
    interrupted_s = dispatch.interrupted_us / 1e6
    unable = record.down + record.unwilling
    if missing_s - interrupted_s > TINY_S and not _excused(unable, followed[0].from_s, end_s):
        yield f"the device left it for {missing_s:.3f} s, and {interrupted_s:.3f} s are told of"
    slack_s = record.transit_s(followed[0].from_s) + TINY_S
    whole_s = end_s - seconds(dispatch.start_us) + slack_s
    kept_s = sum(min(s.to_s, end_s + slack_s) - s.from_s for s in followed)
    # What an agent could not write before it was killed, it counts as interrupted.
    unsure = _excused(unable + record.diskless, followed[0].from_s, _ended_s(dispatch))
    if interrupted_s + kept_s > whole_s and not unsure:
        yield f"was followed for {kept_s:.3f} s and interrupted for {interrupted_s:.3f} s"


def stays_in_its_window(record: Record, dispatch: Dispatch) -> Iterator[str]:
    """The device follows it from its start at the earliest, to its end at the latest, but for
    the time that the Welcome of its session was on its way.

    A device that nobody can tell anything, because it is unwilling or no agent runs, is told
    as soon as it can be.
    """
    start_s = seconds(dispatch.start_us)
    for stretch in record.followed(dispatch.id):
        if stretch.from_s < start_s - TINY_S:
            yield f"was told {start_s - stretch.from_s:.3f} s before its start"
        if dispatch.window.end_us is None:
            continue
        end_s = seconds(dispatch.window.end_us) + record.transit_s(stretch.from_s)
        if stretch.from_s > end_s + TINY_S:
            yield f"was told {stretch.from_s - end_s:.3f} s after its end"
        late_s = stretch.to_s - end_s
        if late_s > TINY_S and not _late_for_a_reason(record, end_s, stretch.to_s):
            yield f"was followed for {late_s:.3f} s after its end"


def leaves_when_it_ends(record: Record, dispatch: Dispatch) -> Iterator[str]:
    """Once its end is known anywhere, the device does not follow it any more.

    An agent that a set clock misled may report an end too early, without a disk to keep it. Once
    its clock is right again, it resumes what its disk says.
    """
    if dispatch.state not in ENDED:
        return
    ended_s = _ended_s(dispatch)
    if _misled(record, dispatch, ended_s):
        return
    for stretch in record.followed(dispatch.id):
        told_late_s = stretch.from_s - ended_s
        if told_late_s > TINY_S and not _late_for_a_reason(record, ended_s, stretch.from_s):
            yield f"was told {told_late_s:.3f} s after it had ended"
        late_s = stretch.to_s - ended_s
        if late_s > TINY_S and not _late_for_a_reason(record, ended_s, stretch.to_s):
            yield f"was followed for {late_s:.3f} s after it had ended"


def has_no_effect_twice(record: Record, dispatch: Dispatch) -> Iterator[str]:
    """The device is told it once; again only after it had been told its default meanwhile, by
    a failsafe, or the agent was started anew, or the device had not answered."""
    followed = record.followed(dispatch.id)
    everything = record.stretches()
    for earlier, later in pairwise(followed):
        between = everything[everything.index(earlier) + 1 : everything.index(later)]
        others = [s for s in between if s.dispatch_id not in (None, dispatch.id)]
        if others:
            yield "was told again after another had taken its place"
        restarted = _excused(record.down, earlier.from_s, later.from_s)
        unwilling = _excused(record.unwilling, earlier.from_s, later.from_s)
        if not between and not restarted and not unwilling:
            yield f"was told twice, at {earlier.from_s:.3f} and {later.from_s:.3f} s"
        silent = _excused(record.silent, earlier.from_s, later.from_s)
        if between and not (silent or restarted or unwilling):
            yield f"was left at {earlier.to_s:.3f} s and told again, for no reason"


def gives_way_to_the_stronger(record: Record, dispatch: Dispatch) -> Iterator[str]:
    """Who is superseded knows by whom: an overlapping one that is stronger, and was received."""
    if dispatch.state is not State.SUPERSEDED:
        return
    winner = record.dispatches.get(dispatch.superseded_by or "")
    if winner is None:
        yield f"gave way to {dispatch.superseded_by!r}, whom nobody knows"
        return
    if (winner.priority, -winner.created_us) > (dispatch.priority, -dispatch.created_us):
        yield "gave way to a weaker one"
    if not _overlap(dispatch, winner):
        yield "gave way to one whose window it does not meet"
    if winner.state is State.REJECTED:
        yield "gave way to one that was rejected"


def obeys_its_failsafe(record: Record, dispatch: Dispatch) -> Iterator[str]:
    """No device follows it while the headend is silent for longer than ``failsafe.after_s``."""
    after_s = record.failsafe.after_s
    if after_s == 0:
        return
    for silence in record.silent:
        trip_s = silence.from_s + after_s
        for stretch in record.followed(dispatch.id):
            late_s = min(stretch.to_s, silence.to_s) - max(trip_s, stretch.from_s)
            if late_s > TINY_S and not _late_for_a_reason(record, trip_s, stretch.to_s):
                yield f"was followed for {late_s:.3f} s of a silence beyond {after_s:g} s"


def resumes_when_heard(record: Record, dispatch: Dispatch) -> Iterator[str]:
    """What the device left before its end for a silence, it follows again when that is over."""
    # Of others nobody but the agent knows when they ended.
    end_us = dispatch.window.end_us if dispatch.state is State.COMPLETED else None
    if _misled(record, dispatch, _ended_s(dispatch)):
        return
    everything = record.stretches()
    for stretch in record.followed(dispatch.id):
        later = everything[everything.index(stretch) + 1 :]
        again = next((s for s in later if s.dispatch_id is not None), None)
        if again is not None and again.dispatch_id == dispatch.id:
            back_s = again.from_s
        elif end_us is not None:
            back_s = seconds(end_us)
        else:
            continue
        if back_s - stretch.to_s > TINY_S and not _covered(record, stretch.to_s, back_s):
            yield f"was left at {stretch.to_s:.3f} s, and not followed again until {back_s:.3f} s"


def _covered(record: Record, from_s: float, to_s: float) -> bool:
    """Whether at any time in between there was a reason not to follow anything."""
    reasons = [Span(s.from_s, s.to_s + AGAIN_S) for s in record.unwilling + record.diskless]
    reasons += [Span(s.from_s, s.to_s + TINY_S) for s in record.silent]
    for down in record.down:
        # An agent that does not know how long it was away waits for the headend.
        # A welcome at the very moment when it went down came before that.
        back = [at_s for at_s, _ in record.welcomes if at_s >= down.to_s and at_s > down.from_s]
        reasons.append(Span(down.from_s, min(back, default=to_s) + TINY_S))
    at_s = from_s
    for span in sorted(reasons, key=lambda span: span.from_s):
        if span.from_s <= at_s + TINY_S:
            at_s = max(at_s, span.to_s)
    return at_s >= to_s - TINY_S


def _ended_s(dispatch: Dispatch) -> float:
    return seconds(dispatch.states[-1].at_us)


def _misled(record: Record, dispatch: Dispatch, until_s: float) -> bool:
    """Whether the agent had nothing to know the time by but a clock that had been set."""
    return any(seconds(dispatch.created_us) <= at_s <= until_s for at_s in record.misled_s)


def _overlap(one: Dispatch, other: Dispatch) -> bool:
    return (other.window.end_us is None or one.start_us < other.window.end_us) and (
        one.window.end_us is None or other.start_us < one.window.end_us
    )


def _excused(spans: list[Span], from_s: float, to_s: float) -> bool:
    return any(span.overlaps(from_s, to_s + TINY_S) for span in spans)


def _late_for_a_reason(record: Record, due_s: float, done_s: float) -> bool:
    """Whether all of the time until it was done somebody was not able to do it."""
    excuses = [Span(s.from_s - TELL_S, s.to_s + AGAIN_S) for s in record.unwilling]
    excuses += [Span(s.from_s, s.to_s + TINY_S) for s in record.down]
    at_s = due_s
    for span in sorted(excuses, key=lambda span: span.from_s):
        if span.from_s <= at_s + TINY_S:
            at_s = max(at_s, span.to_s)
    return at_s >= done_s - TINY_S


CHECKS: tuple[Callable[[Record, Dispatch], Iterator[str]], ...] = (
    ends_once,
    says_what_the_device_did,
    stays_in_its_window,
    leaves_when_it_ends,
    has_no_effect_twice,
    gives_way_to_the_stronger,
    obeys_its_failsafe,
    resumes_when_heard,
)


def broken(record: Record) -> list[str]:
    """All that is wrong with a run; empty if nothing is."""
    return [
        f"{check.__name__}: d{number} {wrong}"
        for number, dispatch in enumerate(record.dispatches.values())
        for check in CHECKS
        for wrong in check(record, dispatch)
    ]
