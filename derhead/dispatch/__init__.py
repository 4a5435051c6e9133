"""Dispatches: orders to assets and sites, from the caller to the measured verdict.

Rooms, from the ground up; each imports only from those before it:

- ``life``: the states of one dispatch and its transitions.
- ``orders``: what callers ask for.
- ``desk``: the one task that owns the open dispatches.
- ``sites``: orders to whole sites, carried out by the desk.
- ``order_taking``: orders and withdrawals, with their keys and their audit entries.
- ``verdicts``: how well ended dispatches were followed.
"""

from derhead.dispatch.desk.book import SessionLink
from derhead.dispatch.desk.dispatch_desk import DispatchDesk, DispatchStore
from derhead.dispatch.desk.dispatch_tally import DispatchStatistics
from derhead.dispatch.desk.inbox import INBOX_EVENTS
from derhead.dispatch.desk.inputs import AgentReport, NotOpen, TooManyOpen
from derhead.dispatch.life.contract import read_report, write_cancel, write_setpoint
from derhead.dispatch.life.dispatches import Dispatch, StateChange
from derhead.dispatch.life.lifecycle import Reported
from derhead.dispatch.life.transitions import ENDED, State
from derhead.dispatch.order_taking import OrderTaking
from derhead.dispatch.orders.asked import Asked, asked_of
from derhead.dispatch.orders.idempotency import (
    ForgetKeys,
    KeyClaim,
    UsedKey,
    fingerprint,
    key_of,
    read_key,
)
from derhead.dispatch.orders.keys import InFlight, KeyKeeper
from derhead.dispatch.orders.order import (
    AssetOrder,
    DispatchGroup,
    LeftOut,
    SiteOrder,
    of_order,
)
from derhead.dispatch.orders.parsing import (
    MAX_DURATION_S,
    BadOrder,
    UnknownAsset,
    UnknownSite,
    parse_order,
)
from derhead.dispatch.orders.preflight import Preflight
from derhead.dispatch.sites.allocation import Allocation, DoesNotFit, why_left_out
from derhead.dispatch.sites.availability import SiteNow
from derhead.dispatch.sites.group_keeper import FoundGroup
from derhead.dispatch.sites.groups import group_state
from derhead.dispatch.sites.site_desk import SiteDesk, SitePreflight
from derhead.dispatch.verdicts.judging import Judge
from derhead.dispatch.verdicts.verdict import (
    Judged,
    Reading,
    ReadingRange,
    Verdict,
    VerdictOutcome,
    latency,
    verdict_text,
)
