"""What ``docs/operators.md`` says to type works, from an empty folder to the last line."""

from pathlib import Path

import pytest

from tests.support.processes.machine import operated
from tests.support.repository import ROOT

pytestmark = pytest.mark.e2e


def test_operators_can_follow_their_document_step_by_step(tmp_path: Path) -> None:
    text = (ROOT / "docs/operators.md").read_text(encoding="utf-8")
    with operated(tmp_path) as machine:
        said = machine.run_document(text)
        assert len(said) > 10
        assert any("is ready" in each for each in said)
        # The last block took everything away but configuration and data.
        assert not machine.path("/opt/derhead").exists()
        assert machine.path("/etc/derhead/derhead.yaml").exists()
        assert machine.path("/var/lib/derhead/journal.db").exists()
