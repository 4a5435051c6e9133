"""The generated classes are those of the contract."""

import os
import subprocess
import sys
from pathlib import Path

from tests.support.repository import ROOT

CONTRACT = Path("der/v1/headend.proto")


def check(*folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [ROOT / "scripts/proto", "--check", *folder],
        env={**os.environ, "PYTHON": sys.executable},
        capture_output=True,
        text=True,
    )


def changed(folder: Path, old: str, new: str) -> Path:
    """A folder with the contract in which something reads otherwise."""
    contract = (ROOT / "proto" / CONTRACT).read_text()
    assert contract.count(old) >= 1
    (folder / CONTRACT).parent.mkdir(parents=True)
    (folder / CONTRACT).write_text(contract.replace(old, new, 1))
    return folder


def test_generating_again_gives_the_committed_files() -> None:
    checked = check()
    assert (checked.stdout, checked.stderr, checked.returncode) == ("", "", 0)


def test_a_changed_comment_is_noticed(tmp_path: Path) -> None:
    checked = check(changed(tmp_path, "Active power, MW", "Active power, kW"))
    assert checked.returncode == 1
    assert "kW" in checked.stdout


def test_a_contract_that_does_not_parse_is_told(tmp_path: Path) -> None:
    checked = check(changed(tmp_path, "sfixed64 ts_us = 4;", "sfixed64 ts_us = four;"))
    assert checked.returncode == 1
    assert "headend.proto" in checked.stderr
