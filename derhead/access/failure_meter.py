"""Counts refused requests and streams, and slows addresses that fail often. Pure.

Nobody can guess a token. Slowing keeps an address from filling the log and the audit trail. A good
token is never slowed, so that other callers behind the same address are still answered.
"""

from collections import Counter
from enum import StrEnum

from derproto.base.addresses import origin_of


class AccessRefusal(StrEnum):
    """Why a request was refused."""

    MISSING = "missing"
    """The request came without credentials."""
    UNREADABLE = "unreadable"
    UNKNOWN = "unknown"
    EXPIRED = "expired"
    REVOKED = "revoked"
    ROLE = "role"
    """The role of a known caller does not suffice."""
    SITES = "sites"
    """The sites of a known caller do not suffice."""
    KEYS = "keys"
    """The issuer's keys, which the check of a JWT needs, are missing or too old."""
    SLOWED = "slowed"
    """The caller's address has failed too often."""


NEVER_SLOWED = frozenset({AccessRefusal.MISSING, AccessRefusal.KEYS})
"""Refusals that are only counted: nobody showed wrong credentials."""

FAILURES_AT_ONCE = 10
"""Requests and streams with wrong credentials that an address may send at once, on both ports.
When full, one more is answered every ``FAILURE_S``; the others get 429 or RESOURCE_EXHAUSTED."""

FAILURE_S = 6.0
"""Seconds after which an address may fail once more."""

ADDRESSES = 4_096
"""Addresses whose failures are counted one by one. When full, the one that failed longest ago is
forgotten."""


class FailureMeter:
    """Counts refusals by reason, and failures by address."""

    def __init__(self) -> None:
        self.refused = Counter[AccessRefusal]()
        # When the failures of each address are forgotten; the address that failed last is last.
        self._clear_at: dict[str, float] = {}

    def count(self, reason: AccessRefusal) -> None:
        """Counts a refusal."""
        self.refused[reason] += 1

    def refuse(self, reason: AccessRefusal, address: str | None, now_s: float) -> float:
        """Counts refused credentials; returns the seconds to wait, 0 = the address is not slowed.

        Units: ``now_s`` is seconds on any clock that never goes back.
        """
        wait_s = 0.0 if reason in NEVER_SLOWED else self._take_failure(address, now_s)
        self.count(AccessRefusal.SLOWED if wait_s else reason)
        return wait_s

    def _take_failure(self, address: str | None, now_s: float) -> float:
        origin = "" if address is None else origin_of(address)
        clear_at = max(self._clear_at.pop(origin, now_s), now_s)
        wait_s = clear_at - now_s - (FAILURES_AT_ONCE - 1) * FAILURE_S
        slowed = wait_s > 0
        self._clear_at[origin] = clear_at if slowed else clear_at + FAILURE_S
        if len(self._clear_at) > ADDRESSES:
            del self._clear_at[next(iter(self._clear_at))]
        return wait_s if slowed else 0.0
