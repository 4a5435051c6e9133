"""Files that only their owner may read: which modes are refused."""

import os
from pathlib import Path

import pytest

from derproto.configuration.secret_files import refusal_of_access


def made(path: Path, mode: int, owner: int | None = None) -> Path:
    path.touch()
    path.chmod(mode)
    if owner is not None:
        os.chown(path, owner, -1)
    return path


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_a_group_may_read_what_root_passes_to_a_daemon_and_nothing_else(tmp_path: Path) -> None:
    """systemd's credentials have mode 0440 where their folder knows access lists."""
    of_root = made(tmp_path / "credential", 0o440, 0)
    assert refusal_of_access(of_root, by_root=True) is None
    assert "(mode 0440)" in (refusal_of_access(of_root) or "")
    for mode in (0o444, 0o460, 0o404):
        assert refusal_of_access(made(of_root, mode), by_root=True) is not None
    of_another = made(tmp_path / "mine", 0o440, 65534)
    assert "(mode 0440)" in (refusal_of_access(of_another, by_root=True) or "")


def test_a_pipe_is_no_file_that_lies_about(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert refusal_of_access(made(tmp_path / "pipe", 0o666)) is None
