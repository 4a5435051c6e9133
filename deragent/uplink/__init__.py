"""The link to the headend: one session after another.

From the ground up: ``backoff`` (when to reconnect), ``session_clock`` (the headend's time on the
agent's clock), ``messages`` (conversions to the contract), ``backfill_pace`` (how much of an outage
is on its way at once), all pure; ``session_sender`` (the sending half of a session),
``uplink_session``, ``reconnecting``.
"""

from deragent.uplink.reconnecting import HeadendEndpoint, keep_uplink
from deragent.uplink.session_sender import BACKFILL_ROWS_S

__all__ = ["BACKFILL_ROWS_S", "HeadendEndpoint", "keep_uplink"]
