"""A site of four equal batteries, and an order for it."""

from dataclasses import replace

from derhead.dispatch.life.dispatches import Dispatch, StateChange
from derhead.dispatch.life.transitions import State
from derhead.dispatch.orders.order import DispatchGroup
from derhead.dispatch.sites.allocation import Candidate
from derproto.configuration.fleet import Asset, Failsafe
from tests.support.assets import make_asset
from tests.support.epoch import T0, S

NAMES = ("a", "b", "c", "d")

GROUP = DispatchGroup("g", "site", 2.0, T0, T0, 600 * S)


def battery(name: str, after_s: float = 10.0) -> Asset:
    return make_asset(name, low_mw=-1.0, high_mw=1.0, failsafe=Failsafe(after_s))


ASSETS = {name: battery(name) for name in NAMES}


def candidate(name: str, *, online: bool = True) -> Candidate:
    return Candidate(ASSETS[name], online, p_mw=0.0, soc=0.5)


def part(
    asset: str, *states: State, mw: float = 0.5, at_s: float = 0.0, **changes: object
) -> Dispatch:
    """A part of the group that came to each state a tenth of a second after the one before."""
    lines = tuple(
        StateChange(state, T0 + round((at_s + n / 10) * S))
        for n, state in enumerate((State.PENDING, *states))
    )
    dispatch = Dispatch(
        id=f"{asset}@{at_s:g}",
        asset_id=asset,
        mw=mw,
        created_us=T0 + round(at_s * S),
        start_us=T0 + round(at_s * S),
        duration_us=600 * S,
        group_id="g",
        state=lines[-1].state,
        states=lines,
    )
    return replace(dispatch, **changes)  # type: ignore[arg-type]


RUNNING = (State.SENT, State.RECEIVED, State.STARTED)
