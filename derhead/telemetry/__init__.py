"""Telemetry: what a sample is, the newest of each asset, and the way in."""

from derhead.telemetry.columns import Broken, RefusedRows, Rows, read_rows
from derhead.telemetry.latest import LatestTable, age_us, stale_after_us
from derhead.telemetry.sample import Bucket, Sample

__all__ = [
    "Broken",
    "Bucket",
    "LatestTable",
    "RefusedRows",
    "Rows",
    "Sample",
    "age_us",
    "read_rows",
    "stale_after_us",
]
