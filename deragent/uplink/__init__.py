"""The link to the headend: sessions, and what keeps one up."""

from deragent.uplink.uplink import Link, keep_uplink

__all__ = ["Link", "keep_uplink"]
