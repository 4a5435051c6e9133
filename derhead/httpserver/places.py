"""Which connections the server has a place for. Pure."""

from collections import Counter
from ipaddress import IPv6Address, ip_address

V6_NETWORK_BITS = 64
"""One site or one host has at least as many addresses of IPv6 as share these first bits."""


class Places:
    """The places of a server, and how many each address has taken.

    When full: a new connection is refused, of an address that has its share as well. A
    connection without an address, as in memory, counts for none.
    """

    def __init__(self, most: int, share: float) -> None:
        self._most = most
        self._most_of_one = max(1, round(most * share))
        self._by_address: Counter[str] = Counter()
        self.taken = 0

    def take(self, address: str | None) -> bool:
        """Takes a place, if there is one for this address."""
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


def origin_of(address: str) -> str:
    """What counts as one address: an address of IPv4, or the network of one of IPv6."""
    parsed = ip_address(address.partition("%")[0])
    if not isinstance(parsed, IPv6Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(IPv6Address(int(parsed) >> V6_NETWORK_BITS << V6_NETWORK_BITS))
