"""DSNs: both forms mean the same, and what is wrong is said without telling the password."""

import pytest

from derhead.dsn import Dsn, read_dsn


def test_both_forms_mean_the_same() -> None:
    uri = read_dsn("postgresql://der:p%40ss@db.example:5433/history?sslmode=require")
    words = read_dsn(
        r"host=db.example port=5433 user=der password='p@ss' dbname=history sslmode=require"
    )
    assert dict(uri.parameters) == dict(words.parameters)
    assert uri.arguments() == {
        "dsn": "postgresql://?sslmode=require",
        "host": ["db.example"],
        "port": 5433,
        "user": "der",
        "password": "p@ss",
        "database": "history",
        "passfile": None,
        "target_session_attrs": "read-write",
    }


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("postgres://der:secret@db.example/history", "der@db.example/history"),
        ("postgresql://der@a:1,b:2/history", "der@a:1,b:2/history"),
        ("postgresql://der@[::1]:5433/history", "der@::1:5433/history"),
        ("postgresql:///history?host=/run/postgresql", "/run/postgresql/history"),
        ("host=a,b port=5 dbname=h password='x y'", "a:5,b:5/h"),
        ("dbname=h", "localhost/h"),
        ("user = der dbname = 'o\\'clock'", "der@localhost/o'clock"),
    ],
)
def test_it_is_shown_without_its_password(text: str, said: str) -> None:
    assert str(read_dsn(text)) == said
    assert "secret" not in repr(read_dsn(text))


def test_several_hosts_reach_the_driver_as_lists() -> None:
    given = read_dsn("postgresql://der@a:1,[::2]/history").arguments()
    assert (given["host"], given["port"]) == (["a", "::2"], [1, 5432])


def test_what_the_server_is_to_take_as_settings_is_passed_on() -> None:
    given = read_dsn("dbname=h search_path=derhead connect_timeout=3").arguments()
    assert given["dsn"] == "postgresql://?search_path=derhead"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "it is empty; write postgresql://"),
        ("mysql://a/b", "it begins with mysql://; write postgresql://"),
        ("postgresql://a:99999/b", "'99999' is no port"),
        ("postgresql://a:x/b", "'x' is no port"),
        ("postgresql://a/b?hots=c", "there is no parameter 'hots'; did you mean host?"),
        ("postgresql://a/b?sslmode", "what follows ? must be key=value"),
        ("postgresql://a/b?sslmode=on", "there is no sslmode 'on'"),
        ("postgresql://::1/b", "write an IPv6 address as"),
        ("postgresql://[::1/b", "it is no URI"),
        ("postgresql://a/b#c", "must be written %23"),
        ("host=a,b,c port=1,2", "2 ports for 3 hosts"),
        ("just words with secret", "it is neither a URI nor key=value pairs"),
        ("host=a password='secret", "it is neither a URI nor key=value pairs"),
        ("host=a\0b", "zero byte"),
    ],
)
def test_what_is_wrong_is_said(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said.replace("?", r"\?")) as raised:
        read_dsn(text)
    assert "secret" not in str(raised.value)


def test_a_later_word_counts() -> None:
    assert read_dsn("postgresql://a/b?dbname=c") == Dsn((("host", "a"), ("dbname", "c")))
