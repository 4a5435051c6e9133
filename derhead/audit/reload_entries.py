"""The entries of the audit trail about reloads: of files, and of each token in them."""

from collections.abc import Iterable

from derhead.audit.audit_trail import AuditTrail
from derhead.audit.records import NOBODY_KNOWN, AuditAction
from derproto.configuration.changes import ChangedItem
from derproto.system.reloading import ReloadOutcome

TOKENS = "tokens"
"""The reload whose items have entries of their own."""


def note_reload(trail: AuditTrail, outcome: ReloadOutcome) -> None:
    """Notes what was reloaded, or why it was not.

    Nobody can prove who wrote the files, so the entries name no caller.
    """
    detail = f"reloaded: {outcome.changed}" if outcome.changed else "reloaded"
    if outcome.failure is not None:
        detail = f"not reloaded, the former stay in force: {outcome.failure}"
    of_tokens = outcome.what == TOKENS
    shown = () if of_tokens else outcome.items
    trail.note(
        AuditAction.RELOAD,
        NOBODY_KNOWN,
        outcome.what,
        target=outcome.what,
        detail=detail,
        before={each.name: each.before for each in shown if each.before is not None} or None,
        after={each.name: each.after for each in shown if each.after is not None} or None,
    )
    if of_tokens:
        note_tokens(trail, outcome.items)


def note_tokens(trail: AuditTrail, changed: Iterable[ChangedItem], remark: str = "") -> None:
    """Notes what became of each token; ``remark`` ends each detail."""
    for token in changed:
        trail.note(
            AuditAction.TOKEN_CHANGE,
            NOBODY_KNOWN,
            target=token.name,
            detail=f"{token.told}{remark}",
            before=None if token.before is None else dict(token.before),
            after=None if token.after is None else dict(token.after),
            limited=False,
        )
