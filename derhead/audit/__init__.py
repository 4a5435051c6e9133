"""The audit trail: who did what, from where, and what it changed.

Layers, from the ground up::

    records         one entry: pure
    entry_limit     a limit on like entries: pure
    audit_trail     takes the entries that no dispatch's commit has, and counts those left out
    reload_entries  the entries about reloads
"""

from derhead.audit.audit_trail import AuditTrail
from derhead.audit.records import (
    AUDIT_DAYS,
    NOBODY_KNOWN,
    AuditAction,
    AuditRecord,
    Caller,
    ToldTokens,
    audit_record,
    printable,
)
from derhead.audit.reload_entries import TOKENS, note_reload, note_tokens
