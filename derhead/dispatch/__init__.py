"""Dispatches: their life (pure) and the desk that leads them through it."""

from derhead.dispatch.allocation import Allocation, DoesNotFit, LeftOut, why_left_out
from derhead.dispatch.availability import SiteNow
from derhead.dispatch.desk import DeskStatistics, DispatchDesk, DispatchStore
from derhead.dispatch.groups import DispatchGroup, group_state
from derhead.dispatch.happenings import AgentReport, NotOpen, TooManyOpen
from derhead.dispatch.idempotency import (
    ForgetKeys,
    KeyClaim,
    UsedKey,
    fingerprint,
    read_key,
)
from derhead.dispatch.judging import Judge
from derhead.dispatch.keys import InFlight, KeyKeeper
from derhead.dispatch.lifecycle import ENDED, Dispatch, Reported, State, StateChange
from derhead.dispatch.order import (
    MAX_DURATION_S,
    BadOrder,
    Order,
    SiteOrder,
    UnknownAsset,
    UnknownSite,
    parse_order,
)
from derhead.dispatch.preflight import Preflight
from derhead.dispatch.sites import FoundGroup, SiteDesk, SitePreflight
from derhead.dispatch.verdict import Judged, Reading, Stretch, Verdict, latency, verdict_text
from derhead.dispatch.wire import read_report, write_cancel, write_setpoint

__all__ = [
    "ENDED",
    "MAX_DURATION_S",
    "AgentReport",
    "Allocation",
    "BadOrder",
    "DeskStatistics",
    "Dispatch",
    "DispatchDesk",
    "DispatchGroup",
    "DispatchStore",
    "DoesNotFit",
    "ForgetKeys",
    "FoundGroup",
    "InFlight",
    "Judge",
    "Judged",
    "KeyClaim",
    "KeyKeeper",
    "LeftOut",
    "NotOpen",
    "Order",
    "Preflight",
    "Reading",
    "Reported",
    "SiteDesk",
    "SiteNow",
    "SiteOrder",
    "SitePreflight",
    "State",
    "StateChange",
    "Stretch",
    "TooManyOpen",
    "UnknownAsset",
    "UnknownSite",
    "UsedKey",
    "Verdict",
    "fingerprint",
    "group_state",
    "latency",
    "parse_order",
    "read_key",
    "read_report",
    "verdict_text",
    "why_left_out",
    "write_cancel",
    "write_setpoint",
]
