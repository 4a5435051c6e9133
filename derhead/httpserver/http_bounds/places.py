"""How many connections may be open, and how many from one address. Pure."""

from collections import Counter

from derproto.base.addresses import origin_of


class Places:
    """Counts open connections, in all and by address.

    When full: a new connection is refused, and so is a new one from an address that has its full
    share. A connection without an address, such as one in memory, has no share.
    """

    def __init__(self, most: int, share: float) -> None:
        self._most = most
        self._most_of_one = max(1, round(most * share))
        self._by_address: Counter[str] = Counter()
        self.taken = 0

    def take(self, address: str | None) -> bool:
        """Takes a place; False if there is none for this address."""
        origin = None if address is None else origin_of(address)
        if self.taken >= self._most:
            return False
        if origin is not None:
            if self._by_address[origin] >= self._most_of_one:
                return False
            self._by_address[origin] += 1
        self.taken += 1
        return True

    def leave(self, address: str | None) -> None:
        """Gives the place back."""
        self.taken -= 1
        if address is not None:
            origin = origin_of(address)
            self._by_address[origin] -= 1
            if not self._by_address[origin]:
                del self._by_address[origin]
