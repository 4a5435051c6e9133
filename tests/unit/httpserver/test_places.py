"""How the server's places are shared between addresses."""

import pytest

from derhead.httpserver.http_bounds.places import Places
from derproto.base.addresses import origin_of


def taken(places: Places, address: str | None, tries: int) -> int:
    return sum(places.take(address) for _ in range(tries))


def test_one_address_takes_half_of_the_places_and_no_more() -> None:
    places = Places(100, 0.5)
    assert taken(places, "192.0.2.1", 200) == 50
    assert taken(places, "192.0.2.2", 200) == 50
    assert taken(places, "192.0.2.3", 200) == 0


def test_a_place_that_is_given_back_can_be_taken() -> None:
    places = Places(2, 0.5)
    for _ in range(3):
        assert taken(places, "::1", 2) == 1
        places.leave("::1")
    assert places.taken == 0


def test_loopback_is_an_address_like_others() -> None:
    assert taken(Places(10, 0.5), "127.0.0.1", 20) == 5


def test_a_connection_without_an_address_counts_for_the_whole_alone() -> None:
    assert taken(Places(10, 0.5), None, 20) == 10


def test_a_single_place_can_be_taken() -> None:
    assert taken(Places(1, 0.5), "127.0.0.1", 2) == 1


@pytest.mark.parametrize(
    ("address", "origin"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("2001:db8:1:2::", "2001:db8:1:2::"),
        ("fe80::1%eth0", "fe80::"),
        ("::1", "::"),
    ],
)
def test_a_network_of_ipv6_counts_as_one_address(address: str, origin: str) -> None:
    assert origin_of(address) == origin
