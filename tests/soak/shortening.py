"""Shortens a failing plan to the smallest part that still breaks the same promise."""

from collections.abc import Callable, Sequence

from tests.soak.plan import Act, Plan

Breaks = Callable[[Plan], bool]
"""Whether a plan still breaks the promise."""


def shorten(plan: Plan, until_s: float, breaks: Breaks, most_tries: int) -> Plan:
    """The smallest plan found within so many tries (Zeller's ddmin over the acts).

    ``until_s`` is the time of the violation: nothing after it matters, if a run that ends there
    breaks the promise as well.
    """
    tries = 0

    def still(candidate: Plan) -> bool:
        nonlocal tries
        tries += 1
        return tries <= most_tries and breaks(candidate)

    acts = [act for act in plan.acts if act.at_s <= until_s]
    shorter = plan.with_acts(acts, min(plan.seconds, until_s + 600.0))
    best = shorter if still(shorter) else plan
    parts = 2
    while len(best.acts) >= 2 and tries < most_tries:
        for kept in _complements(best.acts, parts):
            candidate = best.with_acts(kept)
            if still(candidate):
                best, parts = candidate, max(2, parts - 1)
                break
        else:
            if parts >= len(best.acts):
                break
            parts = min(len(best.acts), parts * 2)
    return best


def _complements(acts: Sequence[Act], parts: int) -> list[list[Act]]:
    """The acts without each of so many parts of them; smaller parts keep more."""
    size = -(-len(acts) // parts)
    return [[*acts[:low], *acts[low + size :]] for low in range(0, len(acts), size)]
