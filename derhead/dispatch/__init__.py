"""Dispatches: their life (pure) and the desk that leads them through it."""

from derhead.dispatch.desk import DeskStatistics, DispatchDesk, DispatchStore
from derhead.dispatch.lifecycle import ENDED, Dispatch, Reported, State, StateChange
from derhead.dispatch.order import BadOrder, Order, OrderProblem, UnknownAsset, read_order
from derhead.dispatch.wire import read_report, write_setpoint

__all__ = [
    "ENDED",
    "BadOrder",
    "DeskStatistics",
    "Dispatch",
    "DispatchDesk",
    "DispatchStore",
    "Order",
    "OrderProblem",
    "Reported",
    "State",
    "StateChange",
    "UnknownAsset",
    "read_order",
    "read_report",
    "write_setpoint",
]
