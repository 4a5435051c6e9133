"""The file of tokens: its mode, its problems, and that it is replaced whole."""

import stat
from pathlib import Path

import pytest

from derhead.access import read_token_file, write_token_file
from derhead.access.tokens import MOST_TOKENS
from derproto.configuration.problems import ConfigError
from tests.support.access import VIEWER, make_tokens

NOW = 1_767_000_000_000_000
GOOD = 'name: a, role: viewer, sha256: "' + "0" * 64 + '", created: "2026-01-31T12:00:00Z"'


def write(path: Path, *tokens: str, mode: int = 0o600) -> Path:
    file = path / "tokens.yaml"
    file.write_text("tokens:\n" + "".join(f"  - {{{token}}}\n" for token in tokens))
    file.chmod(mode)
    return file


def refused(path: Path) -> str:
    with pytest.raises(ConfigError) as wrong:
        read_token_file(path)
    return str(wrong.value)


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "tokens.yaml"
    write_token_file(path, make_tokens(NOW))
    assert read_token_file(path).all == make_tokens(NOW).all
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [each.name for each in tmp_path.iterdir()] == ["tokens.yaml"]
    assert VIEWER not in path.read_text()


@pytest.mark.parametrize("mode", [0o604, 0o640, 0o644, 0o602, 0o660, 0o666, 0o777])
def test_a_file_open_to_others_is_refused_with_the_remedy(tmp_path: Path, mode: int) -> None:
    path = write(tmp_path, GOOD, mode=mode)
    assert f"(mode {mode:04o}); run chmod 600 {path}" in refused(path)
    path.chmod(0o600)
    assert read_token_file(path).named("a") is not None


@pytest.mark.parametrize(
    ("token", "problem"),
    [
        (GOOD.replace("viewer", "king"), "tokens[0].role: there is no role 'king'"),
        (GOOD.replace("name: a", 'name: "a b"'), "tokens[0].name: 'a b' is not a name"),
        (GOOD.replace("0" * 64, "0" * 63), "tokens[0].sha256"),
        (GOOD.replace("2026-01-31T12:00:00Z", "today"), "tokens[0].created: 'today' is not"),
        (GOOD + ", expires: 2027", "tokens[0].expires: the number 2027 is not text"),
        (GOOD + ", site: North", "tokens[0].site: unknown key"),
        (GOOD + ", sites: []", "tokens[0].sites: empty"),
        (GOOD + ", sites: {North: 1}", "tokens[0].sites: a mapping is not text"),
        ("role: viewer", "tokens[0].name: missing"),
    ],
)
def test_a_wrong_token_is_named_with_its_line(tmp_path: Path, token: str, problem: str) -> None:
    assert f"tokens.yaml:2: {problem}" in refused(write(tmp_path, token))


def test_names_and_hashes_are_unique(tmp_path: Path) -> None:
    said = refused(write(tmp_path, GOOD, GOOD))
    assert "tokens.yaml:3: tokens[1].name: a is written twice" in said
    assert "tokens.yaml:3: tokens[1].sha256: written twice" in said


def test_an_empty_file_is_no_file_of_tokens(tmp_path: Path) -> None:
    path = write(tmp_path)
    assert "make a token with derhead token add" in refused(path)


def test_there_is_a_bound_on_tokens(tmp_path: Path) -> None:
    many = [
        GOOD.replace("name: a", f"name: a{n}").replace("0" * 64, f"{n:064x}")
        for n in range(MOST_TOKENS + 1)
    ]
    assert f"more than {MOST_TOKENS}" in refused(write(tmp_path, *many))
