"""Log-ins end by their time, by want of use, and by a bound."""

from itertools import count

import pytest

from derhead.access.logins import IDLE_S, LOGIN_S, MOST_LOGINS, MOST_OF_ONE, Login, Logins

SECOND = 1_000_000


@pytest.fixture
def logins() -> Logins:
    numbers = count()
    return Logins(lambda many: next(numbers).to_bytes(many, "big"))


def begin(logins: Logins, name: str = "ann", now_us: int = 0) -> str:
    return logins.begin(name, b"Bearer x", "192.0.2.7", now_us)[0]


def names(logins: Logins, now_us: int = 0) -> list[str]:
    return [each.name for each in logins.list(now_us)]


def test_a_cookie_stands_for_its_credentials(logins: Logins) -> None:
    cookie, other = begin(logins), begin(logins, "bob")
    assert cookie != other
    login = logins.use(cookie, 5)
    assert login is not None
    assert (login.name, login.authorization, login.used_us) == ("ann", b"Bearer x", 5)
    assert logins.use(cookie + "x", 5) is None
    assert logins.use(login.id, 5) is None
    assert cookie not in repr(logins.__dict__)
    assert "Bearer" not in repr(login)


def test_a_login_ends_if_it_is_not_used(logins: Logins) -> None:
    cookie = begin(logins)
    last = IDLE_S * SECOND - 1
    assert logins.use(cookie, last) is not None
    assert logins.use(cookie, last + IDLE_S * SECOND) is None
    assert names(logins) == []


def test_a_login_ends_however_much_it_is_used(logins: Logins) -> None:
    cookie = begin(logins)
    for hour in range(1, LOGIN_S // 3600):
        assert logins.use(cookie, hour * 3600 * SECOND) is not None
    assert names(logins, LOGIN_S * SECOND) == []
    assert logins.use(cookie, LOGIN_S * SECOND) is None


def test_a_login_can_be_ended(logins: Logins) -> None:
    cookie = begin(logins)
    found = logins.use(cookie, 0)
    assert isinstance(found, Login)
    assert logins.end(found.id) is found
    assert logins.end(found.id) is None
    assert logins.use(cookie, 0) is None


def test_the_number_of_logins_is_bounded(logins: Logins) -> None:
    first, second = begin(logins, "first"), begin(logins, "second")
    logins.use(first, 1)
    for number in range(MOST_LOGINS - 1):
        begin(logins, f"more-{number}")
    assert len(names(logins)) == MOST_LOGINS
    assert logins.use(first, 1) is not None
    assert logins.use(second, 1) is None


def test_logging_in_repeatedly_ends_no_log_in_of_others(logins: Logins) -> None:
    first, other = begin(logins), begin(logins, "bob")
    last = [begin(logins) for _ in range(MOST_OF_ONE)][-1]
    assert names(logins).count("ann") == MOST_OF_ONE
    assert logins.use(first, 1) is None
    assert logins.use(last, 1) is not None
    assert logins.use(other, 1) is not None
