"""Tells the audit trail of every change of the file of tokens, also while no headend served."""

import json

from derhead.access import AccessGate, find_token_changes
from derhead.audit import TOKENS, ToldTokens, note_tokens
from derhead.headend import Headend
from derproto.stdio.log_events import event_log
from derproto.system.reloading import ReloadOutcome, Reloads

log = event_log(__name__)

AT_START = "; noticed when the headend began to serve"


async def audit_tokens(headend: Headend, gate: AccessGate, reloads: Reloads) -> None:
    """Notes what changed since the trail last told of the tokens, and every outcome from now on.

    The journal keeps what was told. Raises: JournalError.
    """
    told = await headend.journal.told_tokens()

    def remember() -> None:
        headend.audit.remember(ToldTokens(json.dumps(gate.traces)))

    def note(outcome: ReloadOutcome) -> None:
        headend.note_reload(outcome)
        if outcome.what == TOKENS and outcome.items:
            remember()

    if gate.has_tokens:
        changes = find_token_changes({} if told is None else json.loads(told), gate.traces)
        if changes.items:
            log.info("tokens changed before the start", changed=changes.words)
            note_tokens(headend.audit, changes.items, AT_START)
            remember()
    # Nothing waits between the comparison and this: no reload is missed, or told twice.
    reloads.on_outcome = note
