"""How far an order to a site has come, and how it ended."""

from collections.abc import Mapping
from typing import Any

import pytest

from derhead.client.exits import Exit
from derhead.client.order_progress import SiteProgress

ACHIEVED = {"outcome": "achieved", "final": True}


def part(name: str, state: str, outcome: str | None = None, at: int = 0) -> dict[str, Any]:
    return {
        "id": f"{name}@{at}",
        "group_id": "g",
        "asset_id": name,
        "state": state,
        "created_at": f"2026-01-31T12:00:{at:02}Z",
        "states": [{"at": f"2026-01-31T12:00:{at:02}Z"}],
        "verdict": outcome and {"outcome": outcome, "final": True},
    }


def group(*parts: Mapping[str, Any], state: str = "completed", short: float = 0.0) -> Any:
    return {"id": "g", "state": state, "shortfall_mw": short, "parts": list(parts)}


def test_each_asset_counts_once_with_its_newest_part() -> None:
    progress = SiteProgress(group(part("a", "started"), part("b", "failed"), part("c", "sent")))
    assert progress.line() == "12:00:00  1 started, 1 failed, 1 sent"
    assert progress.take(part("a", "superseded"))
    assert progress.take(part("a", "started", at=7))
    assert progress.line() == "12:00:07  1 started, 1 failed, 1 sent"
    assert not progress.take({**part("d", "sent"), "group_id": "other"})
    assert not progress.take({**part("d", "sent"), "group_id": None})


def test_it_is_settled_once_all_parts_have_ended_and_been_judged() -> None:
    progress = SiteProgress(group(part("a", "completed", "achieved"), part("b", "started")))
    assert not progress.settled
    progress.take(part("b", "completed"))
    assert not progress.settled
    progress.take(part("b", "completed", "achieved"))
    assert progress.settled


def test_the_verdicts_tell_which_asset_deviated() -> None:
    parts = part("a", "completed", "achieved"), part("b", "completed", "deviating")
    progress = SiteProgress(group(*parts, part("c", "failed")))
    named = ["  roof: verdict: achieved", "  b: verdict: deviating"]
    assert progress.verdicts({"a": "roof"}) == named


@pytest.mark.parametrize(
    ("outcomes", "state", "short", "code"),
    [
        (["achieved", "achieved"], "completed", 0.0, Exit.DONE),
        (["achieved", "unmeasured"], "completed", 0.0, Exit.UNMEASURED),
        (["unmeasured", "deviating"], "completed", 0.0, Exit.REFUSED),
        (["achieved", "achieved"], "completed", 0.5, Exit.REFUSED),
        ([], "cancelled", 0.0, Exit.REFUSED),
    ],
)
def test_its_exit_code(outcomes: list[str], state: str, short: float, code: int) -> None:
    parts = [part(str(n), "completed", outcome) for n, outcome in enumerate(outcomes)]
    found = group(*parts, part("gone", "failed"), state=state, short=short)
    assert SiteProgress(found).end(found) == code
