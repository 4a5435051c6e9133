"""Dispatches: their life (pure) and the desk that leads them through it."""

from derhead.dispatch.lifecycle import ENDED, Dispatch, State, StateChange

__all__ = ["ENDED", "Dispatch", "State", "StateChange"]
