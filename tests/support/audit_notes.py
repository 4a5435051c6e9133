"""The audit trail in memory."""

from dataclasses import dataclass, field

from derhead.audit import AuditRecord, ToldTokens


@dataclass
class AuditNotes:
    """A store of entries, oldest first."""

    entries: list[AuditRecord] = field(default_factory=list)

    def note(self, record: AuditRecord | ToldTokens) -> None:
        if isinstance(record, AuditRecord):
            self.entries.append(record)
