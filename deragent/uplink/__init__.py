"""The link to the headend: always a session, or on the way to one.

From the ground up: ``backoff`` (when to try again), ``session_clock`` (the headend's time on the
agent's clock), ``messages`` (the contract's messages), all pure; ``uplink_session`` (one session)
and ``reconnecting`` (one after another).
"""

from deragent.uplink.reconnecting import HeadendEndpoint, keep_uplink
from deragent.uplink.uplink_session import BACKFILL_ROWS_S

__all__ = ["BACKFILL_ROWS_S", "HeadendEndpoint", "keep_uplink"]
