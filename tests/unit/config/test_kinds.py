"""Addresses, truths and numbers as flags and environment write them."""

import re

import pytest

from derproto.configuration.kinds import Address, Number, Truth, Whole, address


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("127.0.0.1:8080", "127.0.0.1", 8080),
        ("[::1]:8080", "::1", 8080),
        ("headend.example:0", "headend.example", 0),
        ("localhost:65535", "localhost", 65535),
    ],
)
def test_an_address_is_read_and_written_alike(text: str, host: str, port: int) -> None:
    found = address().parse(text)
    assert found == Address(host, port)
    assert str(found) == text


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("localhost", "'localhost' has no port; write host:port, such as 127.0.0.1:8080 or "
         "[::1]:8080"),
        ("localhost:", "'localhost:' has no port; write host:port, such as 127.0.0.1:8080 or "
         "[::1]:8080"),
        (":8080", "':8080' has no host; for all addresses write 0.0.0.0:8080"),
        ("::1:8080", "'::1:8080' needs brackets around its IPv6 address: [::1]:8080"),
        ("[::z]:1", "'::z' is not an IPv6 address; write host:port, such as 127.0.0.1:8080 or "
         "[::1]:8080"),
        ("a:65536", "'65536' is not a port; write a number from 0 to 65535"),
        ("a:http", "'http' is not a port; write a number from 0 to 65535"),
        ("a b:1", "'a b' is not a host; write host:port, such as 127.0.0.1:8080 or [::1]:8080"),
        ("http://a:1", "'http://a:1' is a URL; write host:port, such as 127.0.0.1:8080 or "
         "[::1]:8080, without the scheme"),
    ],
)  # fmt: skip
def test_a_bad_address_is_refused_with_what_to_write(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(problem)}$"):
        address().parse(text)


def test_port_0_is_for_listeners_only() -> None:
    with pytest.raises(ValueError, match="from 1 to 65535"):
        address(least_port=1).parse("a:0")


@pytest.mark.parametrize(
    ("text", "value"), [("1", True), ("0", False), ("true", True), ("FALSE", False), (" 1 ", True)]
)
def test_truth(text: str, value: bool) -> None:
    assert Truth().parse(text) is value


def test_truth_refuses_other_words() -> None:
    with pytest.raises(
        ValueError, match=r"the text 'yes' is neither true nor false; write one of them"
    ):
        Truth().parse("yes")
    with pytest.raises(ValueError, match="the number 2 is neither"):
        Truth().parse("2")
    with pytest.raises(ValueError, match="the number 1 is neither"):
        Truth().read(1)


def test_bounds_hold_where_they_say() -> None:
    assert Number(least=0, most=1).parse(" 1.0 ") == 1.0
    assert Number(above=0).parse("1e-9") == 1e-9
    for text in ("0", "-1"):
        with pytest.raises(ValueError, match=r"write a number above 0$"):
            Number(above=0).parse(text)
    with pytest.raises(ValueError, match=r"the text '1,5' is not a number; write a number$"):
        Number().parse("1,5")
    assert Whole(1, 3).parse("3") == 3
    for text in ("0", "4", "1.5", "true", "10000000000000000000000"):
        with pytest.raises(ValueError, match="write a whole number from 1 to 3"):
            Whole(1, 3).parse(text)
