"""Dispatches: their life (pure) and the desk that leads them through it."""

from derhead.dispatch.desk import DeskStatistics, DispatchDesk, DispatchStore
from derhead.dispatch.lifecycle import ENDED, Dispatch, Reported, State, StateChange
from derhead.dispatch.order import BadOrder, Order, UnknownAsset, parse_order
from derhead.dispatch.wire import read_report, write_setpoint

__all__ = [
    "ENDED",
    "BadOrder",
    "DeskStatistics",
    "Dispatch",
    "DispatchDesk",
    "DispatchStore",
    "Order",
    "Reported",
    "State",
    "StateChange",
    "UnknownAsset",
    "parse_order",
    "read_report",
    "write_setpoint",
]
