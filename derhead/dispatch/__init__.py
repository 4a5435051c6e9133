"""Dispatches: their life (pure) and the desk that leads them through it."""

from derhead.dispatch.allocation import LeftOut
from derhead.dispatch.desk import DeskStatistics, DispatchDesk, DispatchStore
from derhead.dispatch.groups import DispatchGroup
from derhead.dispatch.idempotency import ForgetKeys, UsedKey
from derhead.dispatch.judging import Judge
from derhead.dispatch.lifecycle import ENDED, Dispatch, Reported, State, StateChange
from derhead.dispatch.order import BadOrder, Order, UnknownAsset, parse_order
from derhead.dispatch.plan import AgentReport, NotOpen, TooManyOpen
from derhead.dispatch.verdict import Judged, Reading, Stretch
from derhead.dispatch.wire import read_report, write_cancel, write_setpoint

__all__ = [
    "ENDED",
    "AgentReport",
    "BadOrder",
    "DeskStatistics",
    "Dispatch",
    "DispatchGroup",
    "DispatchDesk",
    "DispatchStore",
    "ForgetKeys",
    "Judge",
    "Judged",
    "LeftOut",
    "NotOpen",
    "Order",
    "Reading",
    "Reported",
    "State",
    "StateChange",
    "Stretch",
    "TooManyOpen",
    "UnknownAsset",
    "UsedKey",
    "parse_order",
    "read_report",
    "write_cancel",
    "write_setpoint",
]
