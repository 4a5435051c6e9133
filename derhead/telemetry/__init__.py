"""Telemetry: the sample, the check of each Telemetry message, and the newest sample of each asset.

From the ground up: ``sample`` (the values) · ``quality`` (flags of a row) ·
``block`` (the rows of one message) · ``checking`` (rows taken and refused) and ``latest_table``.
"""

from derhead.telemetry.block import SampleBlock
from derhead.telemetry.checking import MAX_AHEAD_US, Broken, RefusedRows, Rows, read_rows
from derhead.telemetry.latest_table import (
    FRESH_US,
    NEVER_US,
    LatestTable,
    Slot,
    age_us,
    offer_block,
    since_us,
    stale_after_us,
)
from derhead.telemetry.quality import CLOCK_SKEW_US
from derhead.telemetry.sample import Bucket, Sample
