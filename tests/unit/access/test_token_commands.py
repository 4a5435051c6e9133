"""`derhead token`: what it makes, what it refuses, and what it never shows again."""

import os
import pwd
import stat
from argparse import ArgumentTypeError
from pathlib import Path

import pytest

from derhead.access import AccessGate, Principal, Role, TokenSet, read_token_file
from derhead.cli import main
from derhead.local_commands import token_commands
from derhead.local_commands.token_commands import _expiry
from derproto.configuration.secret_files import read_sent_token


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DERHEAD_TOKENS", "tokens.yaml")
    return tmp_path


def add(capsys: pytest.CaptureFixture[str], *flags: str) -> str:
    assert main(["token", "add", *flags]) == 0
    said = capsys.readouterr()
    assert "shown only now" in said.err
    return said.out.removesuffix("\n")


def test_a_new_token_works_until_it_is_revoked(capsys: pytest.CaptureFixture[str]) -> None:
    token = add(capsys, "grafana", "--role", "viewer")

    def found() -> object:
        gate = AccessGate(read_token_file(Path("tokens.yaml")))
        return gate.recognise(f"Bearer {token}".encode(), 0)

    assert found() == Principal("grafana", Role.VIEWER)
    assert main(["token", "list"]) == 0
    listed = capsys.readouterr().out
    assert "grafana  viewer  all sites  valid" in listed
    assert token not in listed
    assert token not in Path("tokens.yaml").read_text()
    assert main(["token", "revoke", "grafana"]) == 0
    assert not isinstance(found(), Principal)
    assert main(["token", "list"]) == 0
    assert "grafana  viewer  all sites  revoked" in capsys.readouterr().out


def test_a_token_in_a_file_of_its_own_is_for_its_owner(capsys: pytest.CaptureFixture[str]) -> None:
    flags = ["token", "add", "mesa", "--role", "agent", "--output", "mesa.token"]
    assert main(flags) == 0
    said = capsys.readouterr()
    assert (said.out, "Its token is in mesa.token" in said.err) == ("", True)
    assert stat.S_IMODE(Path("mesa.token").stat().st_mode) == 0o600
    tokens = read_token_file(Path("tokens.yaml"))
    secret = read_sent_token(Path("mesa.token"))
    assert tokens.find(secret.encode()) == tokens.named("mesa")
    assert secret not in said.err


def test_no_file_is_replaced_by_a_new_token(capsys: pytest.CaptureFixture[str]) -> None:
    Path("mesa.token").write_text("former")
    flags = ["token", "add", "mesa", "--role", "agent", "--output", "mesa.token"]
    assert main(flags) == 1
    assert "there is a file mesa.token; move it away" in capsys.readouterr().err
    assert Path("mesa.token").read_text() == "former"
    assert not Path("tokens.yaml").exists()


def test_a_token_that_is_not_in_force_leaves_no_file(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(path: Path, tokens: TokenSet) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr(token_commands, "write_token_file", full)
    assert main(["token", "add", "a", "--role", "viewer", "--output", "a.token"]) == 1
    assert list(Path().iterdir()) == []


def test_the_file_says_who_made_and_who_revoked_a_token(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SUDO_USER", "anna")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    add(capsys, "a", "--role", "viewer")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert main(["token", "revoke", "a"]) == 0
    (token,) = read_token_file(Path("tokens.yaml")).all
    assert (token.created_by, token.revoked_by) == ("anna", pwd.getpwuid(os.getuid()).pw_name)
    assert main(["token", "list"]) == 0
    assert f"revoked by {token.revoked_by}" in capsys.readouterr().out


def test_two_tokens_differ(capsys: pytest.CaptureFixture[str]) -> None:
    tokens = {add(capsys, f"a{n}", "--role", "operator") for n in range(3)}
    assert len(tokens) == 3
    assert all(token.startswith("derhead_") and len(token) == 51 for token in tokens)


def test_a_name_is_free_again_once_its_token_is_revoked(capsys: pytest.CaptureFixture[str]) -> None:
    add(capsys, "a", "--role", "viewer")
    assert main(["token", "add", "a", "--role", "admin"]) == 1
    assert "revoke it, or give another name" in capsys.readouterr().err
    assert main(["token", "revoke", "a"]) == 0
    add(capsys, "a", "--role", "admin")
    assert len(read_token_file(Path("tokens.yaml")).all) == 1


@pytest.mark.parametrize(
    ("flags", "code", "said"),
    [
        (["revoke", "nobody"], 2, "there is no such file"),
        (["add", "a", "--role", "viewer", "--expires", "2020-01-01T00:00:00Z"], 1, "is over"),
        (["list", "--tokens", "other.yaml"], 2, "other.yaml"),
    ],
)
def test_a_wrong_command_is_refused_with_a_reason(
    flags: list[str], code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["token", *flags]) == code
    assert said in capsys.readouterr().err
    assert not Path("tokens.yaml").exists()


def test_a_token_that_is_not_there_cannot_be_revoked(capsys: pytest.CaptureFixture[str]) -> None:
    add(capsys, "a", "--role", "viewer")
    assert main(["token", "revoke", "b"]) == 1
    assert "derhead token list shows them" in capsys.readouterr().err
    main(["token", "revoke", "a"])
    assert main(["token", "revoke", "a"]) == 1
    assert "was revoked at" in capsys.readouterr().err


def test_the_file_must_be_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("DERHEAD_TOKENS")
    assert main(["token", "list"]) == 2
    assert "--tokens: missing; give it, set DERHEAD_TOKENS" in capsys.readouterr().err


def test_an_expiry_is_a_span_or_a_time() -> None:
    assert _expiry("90d").us(1) == 90 * 86_400_000_000 + 1
    assert _expiry("2026-01-31T12:00:00Z").us(1) == 1_769_860_800_000_000
    for wrong in ("0d", "90", "tomorrow", "2026-01-31"):
        with pytest.raises(ArgumentTypeError, match="90d"):
            _expiry(wrong)


SITES = """
assets: assets.yaml
tokens: tokens.yaml
"""
FLEET = """
sites: [{id: 0f0e0d0c-0000-4000-8000-000000000000, name: North}]
assets:
  - {id: 0f0e0d0c-0000-4000-8000-000000000001, name: roof, site: North, kind: solar, rated_mw: 1}
"""


def test_a_token_of_some_sites(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "derhead.yaml").write_text(SITES)
    (folder / "assets.yaml").write_text(FLEET)
    config = ["--config", "derhead.yaml"]
    assert main(["token", "add", "a", "--role", "viewer", "--site", "Nort", *config]) == 2
    assert "--site: there is no site 'Nort'; did you mean North?" in capsys.readouterr().err
    assert not (folder / "tokens.yaml").exists()
    add(capsys, "a", "--role", "viewer", "--site", "North", "--site", "North", *config)
    token = read_token_file(folder / "tokens.yaml").named("a")
    assert token is not None
    assert token.sites == ("North",)
    assert main(["token", "list", *config]) == 0
    assert "a     viewer  North  valid" in capsys.readouterr().out


def test_a_token_of_an_agent(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for flags, agent in (
        (["mesa"], "mesa"),
        (["b", "--agent", "x"], "x"),
        (["c", "--agent", "*"], "*"),
    ):
        add(capsys, *flags, "--role", "agent")
        token = read_token_file(folder / "tokens.yaml").named(flags[0])
        assert token is not None
        assert token.agent == agent
    assert main(["token", "list"]) == 0
    assert "b     agent  agent x     valid" in capsys.readouterr().out
    for wrong, said in (
        (["d", "--role", "viewer", "--agent", "x"], "--agent is for --role agent"),
        (["d", "--role", "agent", "--site", "North"], "--site is not for agents"),
        (["d@x", "--role", "agent"], "give it as --agent ID"),
    ):
        assert main(["token", "add", *wrong]) == 1
        assert said in capsys.readouterr().err


def test_check_warns_of_a_token_for_a_site_that_is_not_there(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "derhead.yaml").write_text(SITES)
    (folder / "assets.yaml").write_text(FLEET)
    for name, site in (("a", "North"), ("b", "South"), ("c", "West")):
        add(capsys, name, "--role", "viewer", "--site", site)
    assert main(["token", "revoke", "c"]) == 0
    assert main(["check", "--config", "derhead.yaml"]) == 0
    said = capsys.readouterr().err
    assert "warning: tokens: b is limited to the site South, which assets.yaml lacks\n" in said
    assert said.count("warning: tokens") == 1
