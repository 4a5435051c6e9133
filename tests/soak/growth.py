"""Judges what grows: memory, tasks, files, the journal and the outboxes."""

from tests.soak.account import Account, Look

GROWTH = 0.03
"""How much of its mean a resource may grow a day, once a run has settled."""

SETTLED_SHARE = 0.6
"""The part of a run after which its resources are judged: retention keeps three days."""

LEAST_DAYS = 5.0
"""A shorter run does not show what grows."""

GROWING = ("objects", "blocks", "tasks", "files", "journal_bytes", "outbox_rows")
"""Resources that must not grow for ever."""

FAST_GROWTH = 0.5
"""How much memory may grow a day in a run that is too short to settle: it varies by a tenth with
what is under way, and grows fourfold with one small object for each sample."""

WARM_S = 2 * 3600.0
"""After this time caches are warm."""

SHORTEST_S = 8 * 3600.0
"""A shorter run does not show even a fast growth."""


def judge_growth(account: Account) -> None:
    """Puts to the test that nothing grows, by regression over the looks."""
    if account.stopped_s < SHORTEST_S:
        return
    warm = [each for each in account.looks if each.at_s >= WARM_S]
    for name in ("objects", "blocks"):
        _judge_slope(account, warm, name, FAST_GROWTH)
    if account.stopped_s < LEAST_DAYS * 86_400:
        return
    settled = [each for each in account.looks if each.at_s >= SETTLED_SHARE * account.stopped_s]
    for name in GROWING:
        _judge_slope(account, settled, name, GROWTH)


def _judge_slope(account: Account, looks: list[Look], name: str, limit: float) -> None:
    growth, promise = growth_a_day(looks, name), "memory, journal and outbox stay flat"
    account.count(promise)
    if growth > limit:
        words = f"{name} grow by {growth:.1%} of their mean a day"
        account.fault(account.stopped_s, promise, words)


def growth_a_day(looks: list[Look], name: str) -> float:
    """The slope of the regression line through the looks, as a share of their mean, a day."""
    if len(looks) < 2:
        return 0.0
    times = [look.at_s / 86_400 for look in looks]
    values = [float(getattr(look, name)) for look in looks]
    middle, mean = sum(times) / len(times), sum(values) / len(values)
    spread = sum((at - middle) ** 2 for at in times)
    slope = sum((at - middle) * (value - mean) for at, value in zip(times, values, strict=True))
    return 0.0 if not mean or not spread else slope / spread / mean
