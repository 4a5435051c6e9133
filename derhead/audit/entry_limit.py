"""A limit on like entries, so that no caller can fill the audit trail. Pure.

Like entries have the same action, the same reason, the same site and the same caller: by name, or
by address if nobody knows the name. Entries of changes to dispatches have no limit.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from derhead.audit.records import AuditAction, AuditRecord
from derproto.base.addresses import origin_of

PERIOD_S = 60.0
"""Seconds in which like entries are counted together."""

ENTRIES_A_PERIOD = 10
"""Like entries of the audit trail in a minute, about refusals and other things that change no
dispatch. When full, further ones are left out, and one more entry says how many."""

ENTRY_KINDS = 256
"""Kinds of like entries that are counted one by one. When full, further ones of an action count
together."""

EntryKind = tuple[AuditAction, str, str, str | None]
"""Action, reason, caller, site: the count of what was left out is for those who see the site."""

Omission = tuple[AuditRecord, int]
"""The newest of some like entries that were left out, and how many they were."""


@dataclass(slots=True)
class _Period:
    """The entries of one kind in one period."""

    began_s: float
    taken: int = 0
    left_out: int = 0
    newest: AuditRecord | None = None
    """The newest of those left out."""


class EntryLimit:
    """Counts entries by their kinds."""

    def __init__(self) -> None:
        # The oldest first.
        self._periods: dict[EntryKind, _Period] = {}
        self._left_out: list[Omission] = []

    def admits(self, entry: AuditRecord, reason: str, now_s: float) -> bool:
        """Counts one more entry; returns whether the trail takes it.

        Units: ``now_s`` is seconds of the loop's time, here and below.
        """
        self._end_periods(now_s)
        kind = (entry.action, reason, _caller_of(entry), entry.site_id)
        if kind not in self._periods and len(self._periods) >= ENTRY_KINDS:
            kind = (entry.action, "", "", None)
        period = self._periods.setdefault(kind, _Period(now_s))
        if period.taken < ENTRIES_A_PERIOD:
            period.taken += 1
            return True
        period.left_out += 1
        period.newest = replace(entry, site_id=kind[3])
        return False

    def take_left_out(self, now_s: float) -> Sequence[Omission]:
        """The omissions of ended periods. Each is returned once."""
        self._end_periods(now_s)
        found, self._left_out = self._left_out, []
        return found

    def _end_periods(self, now_s: float) -> None:
        while self._periods:
            kind, period = next(iter(self._periods.items()))
            if now_s - period.began_s < PERIOD_S:
                return
            del self._periods[kind]
            if period.newest is not None:
                self._left_out.append((period.newest, period.left_out))


def _caller_of(entry: AuditRecord) -> str:
    """The caller's name; else its address, or its network if that counts as one address."""
    if entry.caller is not None:
        return entry.caller
    return "" if entry.peer is None else origin_of(entry.peer)
