"""Telemetry: what a sample is, the newest of each asset, and the way in."""

from derhead.telemetry.block import Columns, SampleBlock
from derhead.telemetry.columns import Broken, RefusedRows, Rows, read_rows
from derhead.telemetry.latest import (
    LatestTable,
    Slot,
    age_us,
    offer_block,
    since_us,
    stale_after_us,
)
from derhead.telemetry.sample import Bucket, Sample

__all__ = [
    "Broken",
    "Bucket",
    "Columns",
    "LatestTable",
    "RefusedRows",
    "Rows",
    "Sample",
    "SampleBlock",
    "Slot",
    "age_us",
    "offer_block",
    "read_rows",
    "since_us",
    "stale_after_us",
]
