"""Judges what grows: memory, tasks, files, the journal and the outboxes."""

from itertools import groupby
from operator import attrgetter

from tests.soak.account import Account, Look

GROWTH = 0.06
"""How much of its mean a resource may grow a day, once a run has settled. The run's own account of
each dispatch takes 4 % of the memory a day."""

SETTLED_SHARE = 0.6
"""The part of a run after which its resources are judged: retention keeps three days."""

LEAST_DAYS = 5.0
"""A shorter run does not show what grows."""

GROWING = {
    "objects": 0,
    "blocks": 0,
    "tasks": 0,
    "files": 0,
    "journal_bytes": 0,
    "outbox_rows": 1000,
}
"""Resources that must not grow for ever, and the least mean that growth is a share of: an outbox
is mostly empty."""

LEAST_OF_S = 6 * 3600.0
"""Only the least value of so long counts: what is under way comes and goes, and a leak stays."""

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
    for name, least in GROWING.items():
        _judge_slope(account, _least(settled, name), name, GROWTH, least)


def _least(looks: list[Look], name: str) -> list[Look]:
    """The look with the least value of each stretch."""
    stretches = groupby(looks, key=lambda look: look.at_s // LEAST_OF_S)
    return [min(each, key=attrgetter(name)) for _, each in stretches]


def _judge_slope(
    account: Account, looks: list[Look], name: str, limit: float, least: float = 0.0
) -> None:
    growth, promise = growth_a_day(looks, name, least), "memory, journal and outbox stay flat"
    account.count(promise)
    if growth > limit:
        words = f"{name} grow by {growth:.1%} of their mean a day"
        account.fault(account.stopped_s, promise, words)


def growth_a_day(looks: list[Look], name: str, least: float = 0.0) -> float:
    """The slope of the regression line through the looks, as a share of their mean, a day; of
    ``least``, if their mean is less."""
    if len(looks) < 2:
        return 0.0
    times = [look.at_s / 86_400 for look in looks]
    values = [float(getattr(look, name)) for look in looks]
    middle, mean = sum(times) / len(times), sum(values) / len(values)
    spread = sum((at - middle) ** 2 for at in times)
    slope = sum((at - middle) * (value - mean) for at, value in zip(times, values, strict=True))
    scale = max(mean, least)
    return 0.0 if not scale or not spread else slope / spread / scale
