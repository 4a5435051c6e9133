"""What the journal may forget, and when it must stop growing. Pure: time is passed in.

A row goes when it is older than ``keep_us``. If the file is still above ``max_bytes``, the oldest
samples and heartbeats go early, some percent of their period at a time. None younger than an hour
goes early. Rows stay until a configured PostgreSQL has them. If nothing is left to drop, telemetry
is held: not acknowledged, as on a full disk, so that its agents keep it.
"""

from dataclasses import dataclass, field, replace

from derhead.audit import AUDIT_DAYS

HOUR_US = 3_600_000_000
DAY_US = 24 * HOUR_US
GB = 1_000_000_000

KEPT_DAYS = 30
"""Days that the journal keeps past records, without a PostgreSQL (configurable). When full, older
records are deleted in small transactions."""

FED_KEPT_DAYS = 7
"""Days that the journal keeps past records, beside a PostgreSQL (configurable). When full, records
that PostgreSQL has are deleted."""

AUDIT_KEPT = 500_000
"""Entries of the audit trail in the journal, some 250 MB. When full, the oldest go at the next
sweep; a PostgreSQL keeps them."""

LEVELS_KEPT_DAYS = 8
"""Days that the journal keeps service levels: seven are summed up, and the present one. When full,
older hours are deleted; a PostgreSQL keeps them."""

SPARED_US = HOUR_US
"""Younger samples are never dropped early."""

GRACE = 1.1
"""Multiple of ``max_bytes`` that the file may reach while retention drops rows."""

FREE_KEPT_BYTES = 64 * 1024 * 1024
"""Free pages that stay in the journal's file for new rows. When full, the disk gets the rest
back."""

WAL_BYTES = 128 * 1024 * 1024
"""Length of the WAL. When full, it is truncated while no query runs; a log line names a program
that keeps it long."""

NEWEST_KEPT = 2_000
"""Gaps of one asset, and sessions of one agent, that stay in the journal. When full, the oldest
goes at the next sweep, whatever its times say: no agent can fill the journal with them."""

GAPS_SHARE = 0.25
"""Share of ``max_bytes`` for the gaps of all assets. When full, each asset keeps as many of its
newest gaps as fit, but at least ``FEWEST_GAPS``."""

GAP_BYTES = 700
"""Size of the largest gap in the file, with its indexes."""

FEWEST_GAPS = 128
"""Gaps that samples and reports may still change, for each asset."""

DELETE_S = 0.025
"""Target duration of a deleting transaction: a dispatch may have to wait for it."""

DELETED_ROWS = (200, 20_000)
"""Fewest and most rows of such a transaction."""


@dataclass(frozen=True, slots=True)
class RetentionLimits:
    """How much the journal keeps."""

    keep_us: int = KEPT_DAYS * DAY_US
    max_bytes: int = 10 * GB
    fed: bool = False
    """PostgreSQL is configured: rows stay until it has them."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """The size of the file at one moment."""

    page_bytes: int
    pages: int
    free_pages: int
    wal_bytes: int

    @property
    def file_bytes(self) -> int:
        return self.pages * self.page_bytes

    @property
    def free_bytes(self) -> int:
        return self.free_pages * self.page_bytes

    @property
    def used_bytes(self) -> int:
        return self.file_bytes - self.free_bytes


@dataclass(frozen=True, slots=True)
class Spared:
    """Times from which rows must stay, because PostgreSQL was not fed them; None = no row must."""

    samples_us: int | None = None
    records_us: int | None = None


NOTHING_FED = Spared(-(2**62), -(2**62))
"""Every row must stay."""


@dataclass(frozen=True, slots=True)
class Cutoff:
    """Rows from before these times may go; microseconds since the epoch."""

    samples_us: int
    heartbeats_us: int
    records_us: int
    """Ended sessions, ended dispatches with their states and groups, closed gaps."""
    gaps_kept: int = NEWEST_KEPT
    """Gaps that each asset keeps at most, whatever their times."""
    audit_us: int = -(2**62)
    """Entries of the audit trail."""
    levels_us: int = -(2**62)
    """Hours of service levels."""

    def sparing(self, spared: Spared) -> "Cutoff":
        """The cutoff, moved back so that spared rows stay."""
        return Cutoff(
            _earlier(self.samples_us, spared.samples_us),
            _earlier(self.heartbeats_us, spared.records_us),
            _earlier(self.records_us, spared.records_us),
            self.gaps_kept,
            _earlier(self.audit_us, spared.records_us),
            # An hour is stored last within another hour after its end.
            _earlier(
                self.levels_us,
                None if spared.records_us is None else spared.records_us - 2 * HOUR_US,
            ),
        )


def by_age(limits: RetentionLimits, now_us: int) -> Cutoff:
    """The cutoff by age, in whole hours, so that a sweep is worth its cost."""
    before_us = (now_us - limits.keep_us) // HOUR_US * HOUR_US
    audit_us = (now_us - AUDIT_DAYS * DAY_US) // HOUR_US * HOUR_US
    levels_us = (now_us - LEVELS_KEPT_DAYS * DAY_US) // HOUR_US * HOUR_US
    return Cutoff(before_us, before_us, before_us, audit_us=audit_us, levels_us=levels_us)


def by_size(
    limits: RetentionLimits, sizes: Sizes, oldest_us: int, cut: Cutoff, now_us: int
) -> Cutoff:
    """The cutoff, moved forward by twice the excess share, because rows arrive during the sweep. It
    moves by 1 % to 20 % of the period, because rows may be unevenly distributed."""
    too_much = (sizes.used_bytes - limits.max_bytes) / sizes.used_bytes
    share = min(max(2 * too_much, 0.01), 0.2)
    before_us = oldest_us + round((now_us - oldest_us) * share)
    before_us = min(before_us, now_us - SPARED_US)
    return replace(
        cut,
        samples_us=max(cut.samples_us, before_us),
        heartbeats_us=max(cut.heartbeats_us, before_us),
    )


def oldest_left(oldest_us: int, from_us: int | None, now_us: int) -> int:
    """The time from which ``by_size`` counts the period.

    Rows from before ``from_us`` were deleted already. Any that are there came later, and must not
    keep the cutoff from moving on: one row of 1970 every few seconds would.
    """
    if from_us is None or from_us >= now_us - SPARED_US:
        return oldest_us
    return max(oldest_us, from_us)


def gaps_kept(limits: RetentionLimits, assets: int) -> int:
    """How many gaps each asset keeps, if so many assets have any."""
    fit = round(GAPS_SHARE * limits.max_bytes) // (GAP_BYTES * max(assets, 1))
    return min(max(fit, FEWEST_GAPS), NEWEST_KEPT)


def is_above(limits: RetentionLimits, sizes: Sizes) -> bool:
    """Whether the file is larger than allowed."""
    return sizes.used_bytes > limits.max_bytes


def why_hold(
    limits: RetentionLimits, sizes: Sizes, spared: Spared, *, droppable: bool
) -> str | None:
    """Why telemetry must not be taken now, for people; None = it may be taken.

    ``droppable``: the next sweep has rows to delete.
    """
    if not is_above(limits, sizes):
        return None
    if droppable and sizes.used_bytes <= GRACE * limits.max_bytes:
        return None
    size = f"the journal has reached its bound of {limits.max_bytes / GB:g} GB (retention.max_gb)"
    if droppable:
        return f"{size}, and rows come in faster than they can be dropped; raise the bound"
    if spared != Spared():
        return (
            f"{size}, and PostgreSQL lacks the rows that could be dropped; "
            "bring PostgreSQL back, or raise the bound"
        )
    return f"{size}, and no row is old enough to be dropped; raise the bound"


def pages_to_give_back(sizes: Sizes) -> int:
    """Free pages to give back to the disk."""
    return max(sizes.free_pages - FREE_KEPT_BYTES // sizes.page_bytes, 0)


def next_rows(rows: int, took_s: float) -> int:
    """How many rows to delete in the next transaction, given how long ``rows`` took."""
    least, most = DELETED_ROWS
    wanted = 2 * rows if took_s <= 0 else round(rows * DELETE_S / took_s)
    return min(max(min(wanted, 2 * rows), least), most)


@dataclass(frozen=True, slots=True)
class RetentionStatistics:
    """The journal's size, and what was dropped since the start."""

    sizes: Sizes | None = None
    """None before the first measurement."""
    max_bytes: int = 0
    telemetry_from_us: int | None = None
    """Everything from this time on is still there; None = everything is."""
    deleted: dict[str, int] = field(default_factory=dict)
    """Rows by table."""
    truncated_wals: int = 0
    failed_looks: int = 0

    @property
    def used_bytes(self) -> int:
        """Bytes of the file that hold rows; 0 before the first measurement."""
        return 0 if self.sizes is None else self.sizes.used_bytes


def _earlier(us: int, spared_us: int | None) -> int:
    return us if spared_us is None else min(us, spared_us)
