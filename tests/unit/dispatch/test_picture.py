"""The picture in the documents is the table in the code."""

import pytest

from derhead.dispatch.life.picture import BEGIN, END, draw, insert
from derhead.dispatch.life.transitions import REASONS, State
from derproto.der.v1 import DispatchReason
from tests.support.repository import ROOT


def test_the_document_shows_the_table() -> None:
    document = (ROOT / "docs/dispatch.md").read_text(encoding="utf-8")
    assert draw() in document, "run scripts/lifecycle"


def test_every_state_is_in_the_picture() -> None:
    diagram = draw().split("```")[1]
    assert all(f"{state} " in diagram or f"> {state}:" in diagram for state in State)


def test_a_drawing_replaces_the_one_before() -> None:
    document = f"before\n{BEGIN}\nold\n{END}\nafter\n"
    assert insert(document) == f"before\n{draw()}\nafter\n"
    with pytest.raises(ValueError, match="has no"):
        insert("no place")


def test_agents_give_the_reasons_that_are_explained() -> None:
    on_the_wire = {reason.name for reason in DispatchReason if reason.value != 0}
    assert set(REASONS) == on_the_wire | {"NO_REPORT"}
