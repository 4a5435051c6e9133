"""Connections that no service has admitted yet, and the order in which they give way: pure."""

from collections.abc import Hashable
from typing import Generic, TypeVar

C = TypeVar("C", bound=Hashable)


class Newcomers(Generic[C]):
    """Newcomers by age and address.

    A full server closes one newcomer for each new connection: the oldest newcomer of an address
    that has more than ``address_share``, or else the oldest of all. The connections of a returning
    fleet register before they are the oldest.
    """

    def __init__(self, address_share: int) -> None:
        self._address_share = address_share
        self._addresses: dict[C, str] = {}
        """Each newcomer's address, the oldest newcomer first."""
        self._by_address: dict[str, dict[C, None]] = {}
        self._crowded: dict[str, None] = {}
        """Addresses with more than their share."""

    def __len__(self) -> int:
        return len(self._addresses)

    def add(self, newcomer: C, address: str) -> None:
        """Notes a newcomer, the youngest of all."""
        self._addresses[newcomer] = address
        of_address = self._by_address.setdefault(address, {})
        of_address[newcomer] = None
        if len(of_address) > self._address_share:
            self._crowded[address] = None

    def remove(self, newcomer: C) -> None:
        """Forgets a connection that was admitted or has ended; harmless if it is not there."""
        address = self._addresses.pop(newcomer, None)
        if address is None:
            return
        of_address = self._by_address[address]
        del of_address[newcomer]
        if len(of_address) <= self._address_share:
            self._crowded.pop(address, None)
        if not of_address:
            del self._by_address[address]

    def first_to_yield(self) -> C | None:
        """The newcomer that gives way to another connection; None if there is none."""
        crowded = next(iter(self._crowded), None)
        candidates = self._addresses if crowded is None else self._by_address[crowded]
        return next(iter(candidates), None)
