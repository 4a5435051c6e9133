"""The units are what systemd accepts, and let the daemons do little else than their work."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.repository import ROOT

FOLDER = ROOT / "ops/systemd"
UNITS = sorted(path.name for path in FOLDER.glob("*.service"))
DAEMONS = ["derhead.service", "deragent@.service"]
MOST_EXPOSED = 30
"""Tenths of the level of exposure that ``systemd-analyze security`` computes."""


def lines(unit: str) -> list[str]:
    return (FOLDER / unit).read_text().splitlines()


def settings(unit: str) -> dict[str, str]:
    """Each setting's last value."""
    return dict(line.split("=", 1) for line in lines(unit) if re.match(r"\w+=", line))


@pytest.fixture
def installed(unit: str, tmp_path: Path) -> Path:
    """The unit, or an instance of it, with programs that are on this machine."""
    name = unit.replace("@.", "@north.")
    text = (FOLDER / unit).read_text()
    (tmp_path / name).write_text(
        text.replace("/opt/derhead/current/bin/", f"{Path(sys.executable).parent}/")
    )
    return tmp_path / name


def analyze(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["systemd-analyze", *map(str, arguments)], capture_output=True, text=True, check=False
    )


def test_the_units_are_here() -> None:
    assert UNITS == ["deragent@.service", "derhead.service", "derlaunch@.service"]


@pytest.mark.parametrize("unit", UNITS)
def test_systemd_finds_nothing_wrong_with_a_unit(installed: Path) -> None:
    found = analyze("verify", installed)
    # It also looks at the machine's units that this one names, which are not ours.
    ours = [line for line in found.stderr.splitlines() if installed.name in line]
    assert (found.returncode, ours) == (0, [])


def test_a_mistake_in_a_unit_is_found(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.service"
    wrong.write_text(f"[Service]\nExecStart={sys.executable}\nWatchdogSecs=30\n")
    (line,) = (line for line in analyze("verify", wrong).stderr.splitlines() if wrong.name in line)
    assert "WatchdogSecs" in line


@pytest.mark.parametrize("unit", UNITS)
def test_a_unit_exposes_little(installed: Path) -> None:
    found = analyze("security", "--offline=true", f"--threshold={MOST_EXPOSED}", installed)
    (said,) = re.findall(r"Overall exposure level .*", found.stdout)
    assert found.returncode == 0, said
    print(said)


def test_an_open_unit_is_exposed(tmp_path: Path) -> None:
    wide = tmp_path / "open.service"
    wide.write_text(f"[Service]\nExecStart={sys.executable}\n")
    assert analyze("security", "--offline=true", f"--threshold={MOST_EXPOSED}", wide).returncode


@pytest.mark.parametrize("unit", DAEMONS)
def test_a_daemon_reports_to_systemd_and_is_not_restarted_for_a_wrong_configuration(
    unit: str,
) -> None:
    has = settings(unit)
    assert has["Type"] == "notify"
    assert int(has["WatchdogSec"]) >= 10
    assert (has["Restart"], has["RestartPreventExitStatus"]) == ("always", "2")
    assert has["StateDirectory"]
    # A name and no path: without the file the unit starts all the same.
    assert "/" not in has["LoadCredential"]


@pytest.mark.parametrize("unit", UNITS)
def test_a_units_command_is_one_that_the_program_knows(unit: str, tmp_path: Path) -> None:
    command = settings(unit)["ExecStart"].replace("${DERLAUNCH_HEADEND}", "127.0.0.1:1")
    command = command.replace("%i", "north").replace("/etc/", f"{tmp_path}/")
    program, *arguments = shlex.split(command)
    refused = subprocess.run(
        [Path(sys.executable).with_name(Path(program).name), *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    assert refused.returncode == 2
    # Not the usage: every argument is known, only the file is not there.
    assert re.search(rf"{tmp_path}/der\w+/\w+\.yaml: ", refused.stderr), refused.stderr
    assert "usage:" not in refused.stderr


def test_the_units_share_their_hardening() -> None:
    hardening = {u: lines(u)[lines(u).index("NoNewPrivileges=yes") :] for u in UNITS}
    headend = hardening["derhead.service"]
    assert len(headend) > 25
    for unit, own in hardening.items():
        missing = [line for line in headend if line not in own]
        assert missing in ([], ["ProcSubset=pid"]), unit
