"""The link to the headend: sessions, and what keeps one up."""

from deragent.uplink.session import BACKFILL_ROWS_S
from deragent.uplink.uplink import Link, keep_uplink

__all__ = ["BACKFILL_ROWS_S", "Link", "keep_uplink"]
