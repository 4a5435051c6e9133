"""The check for listeners that are open to other machines without protection: pure."""

from collections.abc import Sequence

from derhead.observability.checks.readiness import Check, Health


def exposure_check(facts: Sequence[str]) -> Check:
    """Degraded: everything works, but for anybody."""
    return Check("exposure", Health.DEGRADED, f"{'; '.join(facts)} (insecure)")
