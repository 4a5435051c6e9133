"""The times that tests count in: microseconds since the Unix epoch, as all of the project."""

S = 1_000_000
"""One second."""

HOUR_US = 3600 * S
DAY_US = 24 * HOUR_US

T0 = 1_800_000_000 * S
"""When a test's world begins, unless the test needs another day: 2027-01-15T08:00:00Z."""
