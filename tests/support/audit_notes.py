"""The audit trail in memory."""

from dataclasses import dataclass, field

from derhead.audit import AuditRecord


@dataclass
class AuditNotes:
    """A store of entries, oldest first."""

    entries: list[AuditRecord] = field(default_factory=list)

    def note(self, record: AuditRecord) -> None:
        self.entries.append(record)
