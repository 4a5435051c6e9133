"""Service levels: how well the fleet was seen and steered, kept hour by hour for each asset.

From the ground up: ``objectives`` (the promises, and how often they must hold) · ``latencies`` and
``gap_sums`` (counts) · ``level_counts`` (all counts of a stretch of time) · ``level_hour`` (one
asset's hour, as the journal keeps it) · ``level_sums`` (hours of an asset, and assets together) ·
``asset_levels`` (counts one asset as things happen) · ``level_groups`` (assets of a site or an
agent) · ``level_keeper`` (the tasks).
``docs/service-levels.md`` has the definitions.
"""

from derhead.service_levels.asset_levels import AssetLevels, LevelTotals
from derhead.service_levels.gap_sums import CauseCount, GapSums
from derhead.service_levels.latencies import Latencies
from derhead.service_levels.level_groups import LevelGroup, LevelScope, worst_first
from derhead.service_levels.level_hour import HOUR_US, LevelHour
from derhead.service_levels.level_keeper import LevelKeeper, window_from_us
from derhead.service_levels.level_sums import AssetHours, LevelSums
from derhead.service_levels.objectives import DISPATCH_US, WINDOW_HOURS, Objectives, ServicePromise
