"""The entries about reloads: what changed, what was refused, and each token."""

import json

from derhead.audit import AuditAction, AuditRecord, AuditTrail, note_reload
from derhead.audit.entry_limit import ENTRIES_A_PERIOD
from derproto.base.runtime import virtual_runtime
from derproto.configuration.changes import ChangedItem
from derproto.system.reloading import ReloadOutcome
from tests.support.audit_notes import AuditNotes
from tests.support.epoch import T0


def noted(outcome: ReloadOutcome) -> list[AuditRecord]:
    notes = AuditNotes()
    note_reload(AuditTrail(notes, virtual_runtime(T0)), outcome)
    return notes.entries


async def test_each_token_has_an_entry_with_before_and_after() -> None:
    items = (
        ChangedItem("anna", {"role": "viewer"}, {"role": "admin"}, "changed (role)"),
        ChangedItem("ben", {"role": "viewer"}, None, "removed"),
    )
    reload, anna, ben = noted(ReloadOutcome("tokens", "changed anna; removed ben", items=items))
    assert (reload.action, reload.target, reload.detail) == (
        AuditAction.RELOAD,
        "tokens",
        "reloaded: changed anna; removed ben",
    )
    assert (anna.action, anna.target, anna.caller) == (AuditAction.TOKEN_CHANGE, "anna", None)
    assert json.loads(anna.before or "") == {"role": "viewer"}
    assert json.loads(anna.after or "") == {"role": "admin"}
    assert (ben.target, ben.after) == ("ben", None)
    assert (reload.before, reload.after) == (None, None)
    assert (anna.detail, ben.detail) == ("changed (role)", "removed")


async def test_no_token_is_left_out() -> None:
    count = 3 * ENTRIES_A_PERIOD
    items = tuple(ChangedItem(f"token-{n}", None, {}) for n in range(count))
    assert len(noted(ReloadOutcome("tokens", "added", items=items))) == count + 1


async def test_other_changes_are_in_the_entry_of_the_reload() -> None:
    items = (
        ChangedItem("a", {"limits": 1}, {"limits": 2}),
        ChangedItem("b", None, {"kind": "load"}),
    )
    (entry,) = noted(ReloadOutcome("assets", "1 added, 1 changed", items=items))
    assert json.loads(entry.before or "") == {"a": {"limits": 1}}
    assert json.loads(entry.after or "") == {"a": {"limits": 2}, "b": {"kind": "load"}}


async def test_a_refused_reload_is_told_with_its_reason() -> None:
    (entry,) = noted(ReloadOutcome("assets", failure="assets.yaml:1: no sites"))
    assert (entry.action, entry.target) == (AuditAction.RELOAD, "assets")
    assert entry.detail == "not reloaded, the former stay in force: assets.yaml:1: no sites"
