"""A dispatch as a value: one order to one asset, and its history. Pure."""

from dataclasses import dataclass, replace

from derhead.dispatch.life.transitions import ENDED, State
from derproto.base.windows import Window


@dataclass(frozen=True, slots=True)
class StateChange:
    """One entry in the history of a dispatch."""

    state: State
    at_us: int
    """Microseconds since the epoch, by the headend's clock."""
    reason: str | None = None
    """A name of ``transitions.REASONS``, or None."""
    detail: str | None = None
    """The reason in words."""


@dataclass(frozen=True, slots=True)
class Dispatch:
    """An order to one asset, its state, and every state that it was in."""

    id: str
    """UUID."""
    asset_id: str
    mw: float
    """Active power to hold, MW; positive = generation, negative = consumption."""
    created_us: int
    start_us: int
    """Start of the window, microseconds since the epoch."""
    duration_us: int | None
    """Length of the window; None = until replaced."""
    priority: int = 128
    """0..255; the lower number wins."""
    ramp_mw_per_s: float | None = None
    group_id: str | None = None
    expires_us: int | None = None
    """When it expires if it is still pending; None = only with its window."""
    state: State = State.PENDING
    reason: str | None = None
    detail: str | None = None
    applied_mw: float | None = None
    """The power that the device was told, MW, as its agent reported it."""
    session_id: str | None = None
    """The session of its last setpoint; None again once its agent has registered without it."""
    attempts: int = 0
    """Times that it was sent."""
    superseded_by: str | None = None
    """The id of the dispatch that superseded it."""
    suspended: str | None = None
    """Why its device does not follow it now, although it is ``started``; None = it is followed."""
    interrupted_us: int = 0
    """How long it has been suspended within its window so far, microseconds."""
    cancelling: str | None = None
    """Why it is being withdrawn, in words; None = it is not being withdrawn."""
    revision: int = 0
    """The number of the newest report taken, as its agent counts them; 0 = none."""
    verdict: str | None = None
    """Its verdict, a JSON object as text."""
    ordered_by: str | None = None
    """Who ordered it: a name, or an address; None = not known."""
    withdrawn_by: str | None = None
    """Who withdrew it, in the same form; None = nobody, the headend itself, or not known."""
    states: tuple[StateChange, ...] = ()
    """Every state that it was in, the present one last."""

    @property
    def window(self) -> Window:
        """When its device is to follow it, by the headend's clock."""
        return Window.lasting(self.start_us, self.duration_us)

    @property
    def ended(self) -> bool:
        return self.state in ENDED

    @property
    def at_no_agent(self) -> bool:
        """Whether it is pending and certainly no agent holds it."""
        return self.state is State.PENDING and self.session_id is None


def created(dispatch: Dispatch) -> Dispatch:
    """A new dispatch with the first entry of its history."""
    return replace(
        dispatch,
        state=State.PENDING,
        states=(StateChange(State.PENDING, dispatch.created_us),),
    )


def with_sent_time(dispatch: Dispatch, at_us: int) -> Dispatch:
    """The dispatch with its ``sent`` dated to when its setpoint was written to the stream.

    ``sent`` is journaled before the setpoint is queued, so that the journal knows of every
    setpoint on its way. The time of writing is known only later. It is never earlier than the
    journaled time, even if the clock was set back. A dispatch that is no longer ``sent`` is
    returned as it is.
    """
    *before, last = dispatch.states
    if last.state is not State.SENT or at_us <= last.at_us:
        return dispatch
    return replace(dispatch, states=(*before, replace(last, at_us=at_us)))
