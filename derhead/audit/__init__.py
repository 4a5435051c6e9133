"""The audit trail: who did what, from where, and what it changed.

Layers, from the ground up::

    records      one entry: pure
    entry_limit  how many like entries are taken: pure
    audit_trail  takes entries that no commit carries, and counts those left out
"""

from derhead.audit.audit_trail import AuditTrail
from derhead.audit.records import (
    AUDIT_DAYS,
    NOBODY_KNOWN,
    AuditAction,
    AuditRecord,
    Caller,
    audit_record,
)
