"""Retention: what the journal forgets, and when it must not grow any more."""

from derhead.history.retention.policy import (
    DAY_US,
    FED_KEPT_DAYS,
    GB,
    KEPT_DAYS,
    RetentionLimits,
    RetentionStatistics,
    Sizes,
)
from derhead.history.retention.task import Retention

__all__ = [
    "DAY_US",
    "FED_KEPT_DAYS",
    "GB",
    "KEPT_DAYS",
    "Retention",
    "RetentionLimits",
    "RetentionStatistics",
    "Sizes",
]
