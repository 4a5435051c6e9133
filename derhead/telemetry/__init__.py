"""Telemetry: what a sample is, the newest of each asset, and the way in."""

from derhead.telemetry.latest import LatestTable, age_us, stale_after_us
from derhead.telemetry.sample import Bucket, Sample

__all__ = ["Bucket", "LatestTable", "Sample", "age_us", "stale_after_us"]
