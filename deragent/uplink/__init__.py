"""The link to the headend: always a session, or on the way to one.

From the ground up: ``backoff`` (when to try again), ``session_clock`` (the headend's time on the
agent's clock), ``messages`` (the contract's messages), all pure; ``session_sender`` (its sending
half), ``uplink_session`` (one session), ``reconnecting`` (one after another).
"""

from deragent.uplink.reconnecting import HeadendEndpoint, keep_uplink
from deragent.uplink.session_sender import BACKFILL_ROWS_S

__all__ = ["BACKFILL_ROWS_S", "HeadendEndpoint", "keep_uplink"]
