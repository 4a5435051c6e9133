"""Log-ins of browsers: a cookie stands for the credentials that were shown once. Pure.

A log-in is only as good as its credentials. The gate checks them again at each request, so a
revoked token ends its log-ins. The headend keeps a hash of each cookie.
"""

import hashlib
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

COOKIE = "derhead_login"

COOKIE_BYTES = 32

LOGIN_S = 12 * 3600
"""Seconds after which a log-in ends: longer than a shift."""

IDLE_S = 2 * 3600
"""Seconds without a request after which a log-in ends. An open page asks all the time."""

MOST_LOGINS = 1_000
"""Log-ins at once. When full, the one that was unused for longest ends."""

MOST_OF_ONE = 50
"""Log-ins of one name at once. When full, the one of that name that was unused for longest ends. So
nobody can end the log-ins of others by logging in again and again."""


@dataclass(slots=True)
class Login:
    """One log-in. Times are microseconds since the epoch."""

    id: str
    """For lists; nobody can compute the cookie from it."""
    name: str
    authorization: bytes = field(repr=False)
    """The credentials, as an ``Authorization`` header has them."""
    peer: str | None
    created_us: int
    used_us: int

    @property
    def ends_us(self) -> int:
        """When the log-in ends unless it is used again."""
        return min(self.created_us + LOGIN_S * 1_000_000, self.used_us + IDLE_S * 1_000_000)


class Logins:
    """All log-ins. ``entropy`` returns the given number of random bytes."""

    def __init__(self, entropy: Callable[[int], bytes]) -> None:
        self._entropy = entropy
        # By the cookie's hash; the one that was used last is last.
        self._logins: dict[bytes, Login] = {}

    def begin(
        self, name: str, authorization: bytes, peer: str | None, now_us: int
    ) -> tuple[str, Login]:
        """Begins a log-in with good credentials; returns its cookie's value, and the log-in."""
        cookie = urlsafe_b64encode(self._entropy(COOKIE_BYTES)).rstrip(b"=").decode("ascii")
        key = _key_of(cookie)
        mine = [each for each, known in self._logins.items() if known.name == name]
        if len(mine) >= MOST_OF_ONE:
            del self._logins[mine[0]]
        login = Login(key[:8].hex(), name, authorization, peer, now_us, now_us)
        self._logins[key] = login
        if len(self._logins) > MOST_LOGINS:
            del self._logins[next(iter(self._logins))]
        return cookie, login

    def use(self, cookie: str, now_us: int) -> Login | None:
        """The log-in of that cookie, used now; None if it has ended or never was."""
        key = _key_of(cookie)
        login = self._logins.pop(key, None)
        if login is None or now_us >= login.ends_us:
            return None
        login.used_us = now_us
        self._logins[key] = login
        return login

    def end(self, id: str) -> Login | None:
        """Ends a log-in; returns it."""
        found = next((key for key, login in self._logins.items() if login.id == id), None)
        return None if found is None else self._logins.pop(found)

    def list(self, now_us: int) -> Iterator[Login]:
        """The log-ins that are good now, the one used last first."""
        return (each for each in reversed(tuple(self._logins.values())) if now_us < each.ends_us)


def _key_of(cookie: str) -> bytes:
    return hashlib.sha256(cookie.encode("utf-8", "replace")).digest()
