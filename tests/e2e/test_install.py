"""What ``scripts/install`` puts into a fresh root folder, and what ``scripts/uninstall`` leaves."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.repository import ROOT

pytestmark = pytest.mark.e2e

NAME = re.compile("derhead|deragent|derlaunch")

Tree = dict[str, tuple[int, int, str]]
"""Path, mode, time of change, and where a link leads to."""


def run(script: str, root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [ROOT / "scripts" / script, "--root", root, *arguments],
        env={**os.environ, "PYTHON": sys.executable},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def done(script: str, root: Path, *arguments: str) -> str:
    ended = run(script, root, *arguments)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def tree(root: Path) -> Tree:
    """What is there, without the inside of releases."""
    found: Tree = {}
    for folder, folders, files in os.walk(root):
        if Path(folder).parent.name == "releases":
            folders.clear()
            continue
        for name in [*folders, *files]:
            path = Path(folder, name)
            is_link = path.is_symlink()
            status = path.lstat()
            found[str(path.relative_to(root))] = (
                0 if is_link else status.st_mode & 0o7777,
                status.st_mtime_ns if is_link or path.is_file() else 0,
                str(path.readlink()) if is_link else "",
            )
    return found


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root with headend and agent. The first test sees it as it was made."""
    root = tmp_path_factory.mktemp("install") / "root"
    said = done("install", root)
    assert "systemctl restart derhead" in said
    assert "systemctl restart deragent@o-hare-2" in done("install", root, "--agent", "O'Hare 2")
    return root


MODES = {
    "etc/derhead": 0o750,
    "etc/derhead/tls": 0o750,
    "etc/derhead/derhead.yaml": 0o640,
    "etc/deragent/o-hare-2.yaml": 0o640,
    "etc/credstore": 0o700,
    "var/lib/derhead": 0o750,
    "var/lib/deragent": 0o750,
    "usr/local/lib/systemd/system/derhead.service": 0o644,
    "usr/local/lib/systemd/system/deragent@.service": 0o644,
    "usr/local/lib/systemd/system/derlaunch@.service": 0o644,
}


def test_everything_is_in_its_place_and_readable_by_those_who_need_it(installed: Path) -> None:
    found = tree(installed)
    assert {path: found[path][0] for path in MODES} == MODES
    users = (installed / "etc/passwd").read_text()
    for name in ("derhead", "deragent"):
        (line,) = (line for line in users.splitlines() if line.startswith(f"{name}:"))
        assert line.endswith(f":/var/lib/{name}:/usr/sbin/nologin")
        if os.getuid() == 0:
            uid, gid = map(int, line.split(":")[2:4])
            folder = installed / "var/lib" / name
            assert (folder.stat().st_uid, folder.stat().st_gid) == (uid, gid)
            config = installed / "etc" / name
            assert (config.stat().st_uid, config.stat().st_gid) == (0, gid)
    assert found["usr/local/bin/derhead"][2] == "/opt/derhead/current/bin/derhead"


def test_what_is_installed_runs_and_reads_its_configuration(installed: Path) -> None:
    bin_ = installed / "opt/derhead/current/bin"
    fleet = subprocess.run(
        [bin_ / "derlaunch", "generate", "3"], capture_output=True, text=True, check=True
    ).stdout
    (installed / "etc/derhead/assets.yaml").write_text(fleet)
    (installed / "etc/deragent/assets.yaml").write_text(fleet)
    checked = subprocess.run(
        [bin_ / "derhead", "check", "--config", installed / "etc/derhead/derhead.yaml"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "journal in /var/lib/derhead" in checked.stdout, checked.stderr
    refused = subprocess.run(
        [bin_ / "deragent", "check", "--config", installed / "etc/deragent/o-hare-2.yaml"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert 'there is no site "O\'Hare 2"' in refused.stderr
    # The documents are on the machine too, as the units say.
    assert (bin_.parent / "docs/operators.md").is_file()


def test_shells_complete_what_is_installed(installed: Path) -> None:
    share = installed / "usr/local/share"
    for command in ("derhead", "deragent", "derlaunch"):
        for link in (f"bash-completion/completions/{command}", f"zsh/site-functions/_{command}"):
            target = (share / link).readlink()
            assert str(target) == f"/opt/derhead/current/share/{link}"
            script = (installed / str(target).lstrip("/")).read_text()
            assert script.startswith((f"#compdef {command}\n", "# AUTOMATICALLY GENERATED"))
    bash = installed / "opt/derhead/current/share/bash-completion/completions/derhead"
    typed = f'. {bash}; COMP_WORDS=(derhead wi); COMP_CWORD=1; _shtab_derhead; echo "$COMPREPLY"'
    offered = subprocess.run(["bash", "-c", typed], capture_output=True, text=True, check=True)
    assert offered.stdout == "withdraw\n"


def test_a_second_time_changes_nothing(installed: Path) -> None:
    (installed / "etc/derhead/derhead.yaml").write_text("assets: mine.yaml\n")
    before = tree(installed)
    said = done("install", installed) + done("install", installed, "--agent", "O'Hare 2")
    assert tree(installed) == before
    assert [line for line in said.splitlines() if line.startswith("  /")] == []


def test_an_upgrade_keeps_the_version_before_it_and_goes_back_to_it(installed: Path) -> None:
    opt = installed / "opt/derhead"
    now = opt.joinpath("current").readlink()
    for name in ("0.0.8-older", "0.0.9-old"):
        (opt / "releases" / name).mkdir()
    opt.joinpath("current").unlink()
    opt.joinpath("current").symlink_to("releases/0.0.9-old")
    said = done("install", installed)
    assert "/opt/derhead/releases/" not in said.replace("removed /opt/derhead/releases/", "")
    assert opt.joinpath("current").readlink() == now
    assert opt.joinpath("previous").readlink() == Path("releases/0.0.9-old")
    assert not (opt / "releases/0.0.8-older").exists()
    assert "systemctl restart" in done("install", installed, "--back")
    assert opt.joinpath("current").readlink() == Path("releases/0.0.9-old")
    done("install", installed, "--back")
    assert opt.joinpath("current").readlink() == now


def test_uninstalling_leaves_configuration_and_data_until_they_are_purged(installed: Path) -> None:
    journal = installed / "var/lib/derhead/journal.db"
    journal.write_text("samples")
    kept = installed / "var/lib/deragent/o-hare-2"
    kept.mkdir()
    done("uninstall", installed, "--agent", "O'Hare 2", "--purge")
    assert not kept.exists()
    assert not (installed / "etc/deragent/o-hare-2.yaml").exists()
    assert (installed / "opt/derhead/current/bin/deragent").exists()
    said = done("uninstall", installed)
    assert "removed /opt/derhead" in said
    left = [path for path in tree(installed) if path.startswith(("opt/", "usr/local/"))]
    assert [path for path in left if NAME.search(path)] == []
    assert journal.read_text() == "samples"
    assert (installed / "etc/derhead/derhead.yaml").exists()
    done("uninstall", installed, "--purge")
    assert [path for path in tree(installed) if NAME.search(path)] == []
    # Nothing is left to do.
    assert "removed" not in done("uninstall", installed, "--purge")


# --- what is refused --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--agent", "!!"], "the site '!!' has no letter or digit"),
        (["--back"], "there is no version to go back to"),
        (["--now"], "unknown argument --now"),
    ],
)
def test_an_impossible_install_is_refused_before_anything_changes(
    arguments: list[str], why: str, tmp_path: Path
) -> None:
    refused = run("install", tmp_path / "root", *arguments)
    assert refused.returncode == 2
    assert why in refused.stderr
    assert not (tmp_path / "root").exists()


def test_without_a_python_it_says_what_to_install(tmp_path: Path) -> None:
    refused = subprocess.run(
        [ROOT / "scripts/install", "--root", tmp_path / "root"],
        env={**os.environ, "PYTHON": "/nowhere/python3.11"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert refused.returncode == 2
    assert "apt-get install python3-venv" in refused.stderr
    assert not (tmp_path / "root/opt/derhead/current").exists()
