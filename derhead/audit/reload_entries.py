"""The entries of the audit trail about reloads: of files, and of each token in them."""

from derhead.audit.audit_trail import AuditTrail
from derhead.audit.records import NOBODY_KNOWN, AuditAction
from derproto.configuration.changes import ChangedItem
from derproto.system.reloading import ReloadOutcome

TOKENS = "tokens"
"""The reload whose items have entries of their own."""


def note_reload(trail: AuditTrail, outcome: ReloadOutcome) -> None:
    """Notes what was reloaded, or why it was not.

    Nobody knows who wrote the files, so the entries name no caller.
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
        for token in outcome.items:
            _note_token(trail, token)


def _note_token(trail: AuditTrail, token: ChangedItem) -> None:
    trail.note(
        AuditAction.TOKEN_CHANGE,
        NOBODY_KNOWN,
        target=token.name,
        detail=f"{_verb(token)} in the file of tokens",
        before=None if token.before is None else dict(token.before),
        after=None if token.after is None else dict(token.after),
        limited=False,
    )


def _verb(token: ChangedItem) -> str:
    """What became of a token."""
    if token.before is None:
        return "added"
    if token.after is None:
        return "removed"
    names = {**token.before, **token.after}
    differ = [name for name in names if token.before.get(name) != token.after.get(name)]
    return "revoked" if differ == ["revoked"] else f"changed ({', '.join(differ)})"
