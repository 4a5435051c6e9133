"""DSNs: what is wrong is said, and no message shows any part of a password."""

import pytest

from derhead.dsn import read_dsn


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("postgres://der:secret@db.example/history", "der@db.example/history"),
        ("postgresql://der@a:1,b:2/history", "der@a:1,b:2/history"),
        ("postgresql://der:secret@[::1]:5433/history", "der@[::1]:5433/history"),
        ("postgresql:///history?host=/run/postgresql", "/run/postgresql/history"),
        ("postgresql://a/h?user=der&password=secret", "der@a/h"),
        ("postgresql://", "localhost"),
    ],
)
def test_a_dsn_is_shown_without_its_password(text: str, said: str) -> None:
    dsn = read_dsn(text)
    assert str(dsn) == said
    assert "secret" not in repr(dsn)
    assert dsn.password == ("secret" if "secret" in text else None)


def test_a_password_may_hold_anything_if_it_is_quoted() -> None:
    assert read_dsn("postgresql://u:p%40s%2Fs%3F@h/d").password == "p@s/s?"


def test_a_dsn_that_names_no_servers_wants_one_that_takes_writes() -> None:
    assert read_dsn("postgresql://a,b/d").takes_writes
    assert not read_dsn("postgresql://a,b/d?target_session_attrs=any").takes_writes


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "does not begin with postgresql://; write postgresql://"),
        ("mysql://u:secret@a/b", "does not begin with postgresql://"),
        ("host=a password=secret", "does not begin with postgresql://"),
        ("secret://a/b", "does not begin with postgresql://"),
        ("postgresql://a:secret/b", "hosts or ports of the DSN cannot be read"),
        ("postgresql://user:secret", "hosts or ports of the DSN cannot be read"),
        ("postgresql://::1/b", "hosts or ports of the DSN cannot be read"),
        ("postgresql://[::1/b", "hosts or ports of the DSN cannot be read"),
        ("postgresql://[secret]/b", "hosts or ports of the DSN cannot be read"),
        ("postgresql://u:[secret@h/b", "hosts or ports of the DSN cannot be read"),
        ("postgresql://u:sec@ret@h/b", "write @ as %40"),
        ("postgresql://u:sec/ret@h/b", "hosts or ports of the DSN cannot be read|write @ as %40"),
        ("postgresql://u:9/secret@h/b", "write @ as %40"),
        ("postgresql://u:secret#x@h/b", "hosts or ports of the DSN cannot be read|write @ as %40"),
        ("postgresql://u:secret?x@h/b", "parameters of the DSN cannot be read; write key=value"),
        (
            "postgresql://a/b?password=secret&secret",
            "parameters of the DSN cannot be read; write key=value",
        ),
    ],
)
def test_no_message_shows_any_part_of_a_password(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said) as raised:
        read_dsn(text)
    assert "sec" not in str(raised.value)
    assert "ret" not in str(raised.value)
    assert raised.value.__context__ is None or raised.value.__suppress_context__
