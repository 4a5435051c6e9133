"""The page's scripts have a word for every name that the headend may send."""

import re
from importlib import resources

import pytest

from derhead.dispatch import ENDED, State
from derhead.dispatch.life.transitions import REASONS
from derhead.gaps import HoleCause
from derhead.shapes.record_shapes.values import names_of
from derproto.configuration.fleet import AssetKind
from derproto.der.v1 import QualityBit

SCRIPTS = resources.files("derhead.page") / "static" / "js"
SHOWN_CAUSES = {cause.value for cause in HoleCause if cause is not HoleCause.NONE}


def keys_of(script: str, table: str) -> set[str]:
    """The names that a table of a script has words for."""
    text = (SCRIPTS / script).read_text(encoding="utf-8")
    found = re.search(rf"const {table} = \{{\n(.*?)^\}};", text, re.DOTALL | re.MULTILINE)
    assert found is not None
    return set(re.findall(r"^  \"?([a-zA-Z_ ]+)\"?:", found[1], re.MULTILINE))


@pytest.mark.parametrize(
    ("script", "table", "names"),
    [
        ("dispatches.js", "WORDS", {state.value for state in State}),
        ("dispatches.js", "REASONS", set(REASONS)),
        ("logrows.js", "CAUSES", SHOWN_CAUSES),
        ("format.js", "KINDS", {kind.value for kind in AssetKind}),
        ("assetfacts.js", "QUALITY", set(names_of(QualityBit))),
    ],
)
def test_the_page_has_a_word_for_every_name(script: str, table: str, names: set[str]) -> None:
    assert keys_of(script, table) == names


def test_the_page_knows_which_states_are_open() -> None:
    text = (SCRIPTS / "dispatches.js").read_text(encoding="utf-8")
    found = re.search(r"OPEN = new Set\(\[(.*?)\]\)", text)
    assert found is not None
    assert set(re.findall(r"\w+", found[1])) == {each.value for each in State if each not in ENDED}
