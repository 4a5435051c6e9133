"""The token that a command sends: its sources, their order, and what is no token."""

from pathlib import Path

import pytest

from derhead.cli import main
from derhead.client.rest.own_token import find_token


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    path.chmod(0o600)
    return path


def test_a_file_comes_before_the_environment_and_that_before_a_credential(tmp_path: Path) -> None:
    write(tmp_path / "token", "of-systemd\n")
    environ = {"CREDENTIALS_DIRECTORY": str(tmp_path)}
    assert find_token(None, {}) is None
    assert find_token(None, environ) == "of-systemd"
    environ["DERHEAD_TOKEN"] = "of-environment"
    assert find_token(None, environ) == "of-environment"
    assert find_token(write(tmp_path / "mine", " of-file \n"), environ) == "of-file"


def test_without_its_credential_a_unit_has_no_token(tmp_path: Path) -> None:
    environ = {"CREDENTIALS_DIRECTORY": str(tmp_path), "DERHEAD_TOKEN": ""}
    assert find_token(None, environ) is None


@pytest.mark.parametrize("text", ["", "\n", "two words", "a\nb", "x: y", "ä"])
def test_what_is_no_token_is_not_sent(tmp_path: Path, text: str) -> None:
    with pytest.raises(OSError, match=r"mine is not one token; write the token there"):
        find_token(write(tmp_path / "mine", text), {})


@pytest.mark.parametrize("mode", [0o604, 0o644, 0o620])
def test_a_token_that_others_can_read_is_not_sent(
    tmp_path: Path, mode: int, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write(tmp_path / "mine", "t0ken")
    file.chmod(mode)
    assert main(["status", "--headend", "http://127.0.0.1:1", "--token-file", str(file)]) == 2
    said = f"mine: other users than its owner have access (mode {mode:04o}); run chmod 600 {file}"
    assert said in capsys.readouterr().err


def test_a_wrong_token_ends_the_command_before_it_asks(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DERHEAD_TOKEN", "two words")
    assert main(["status", "--headend", "http://127.0.0.1:1"]) == 2
    assert "$DERHEAD_TOKEN is not one token" in capsys.readouterr().err
    with pytest.raises(SystemExit) as ended:
        main(["status", "--token-file", "nowhere"])
    assert ended.value.code == 2
    assert "there is no file nowhere" in capsys.readouterr().err
