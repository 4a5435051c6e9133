"""The token that a command sends: its sources, their order, and what is no token."""

from pathlib import Path

import pytest

from derhead.cli import main
from derhead.client.rest.own_token import find_token


def write(path: Path, text: str) -> Path:
    path.write_text(text)
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
