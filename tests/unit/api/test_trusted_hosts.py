"""Which hosts and origins a browser may name to REST."""

import pytest

from derhead.api.answering.trusted_hosts import (
    HOST_CHARACTERS,
    HOSTS_REMEMBERED,
    Provenance,
    TrustedHosts,
    _is_named,
)

CONTROL = TrustedHosts(["Control.Example.", "*.north.example", "192.0.2.7", "2001:DB8::0:1"])


def refusal(
    trusted: TrustedHosts,
    host: str,
    address: str | None = None,
    *,
    over_tls: bool = False,
    origin: str | None = None,
    site: str | None = None,
    mode: str | None = None,
) -> str | None:
    return trusted.refusal(
        Provenance(
            host=host, address=address, over_tls=over_tls, origin=origin, site=site, mode=mode
        )
    )


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LOCALHOST.:9",
        "127.0.0.1:8080",
        "[::1]:8080",
        "[0:0::1]",
        "control.example",
        "Control.Example.:443",
        "battery.north.example:8080",
        "192.0.2.7",
        "[2001:db8::1]:8080",
        "",
    ],
)
def test_names_of_the_headend_are_answered(host: str) -> None:
    assert refusal(CONTROL, host) is None


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.localhost",
        "localhost.evil.example",
        "127.0.0.1.evil.example:8080",
        "127.0.0.2",
        "192.0.2.8",
        "[::2]",
        "[::1].evil.example",
        "north.example",
        "a.b.north.example",
        "control.example.evil",
        "0.0.0.0",
        ":8080",
        "a" * HOST_CHARACTERS + ".example",
    ],
)
def test_other_names_are_not(host: str) -> None:
    detail = refusal(CONTROL, host)
    assert detail is not None
    assert "http_allowed_hosts" in detail
    assert len(detail) < 300


def test_the_address_of_the_connection_is_a_name_of_the_headend() -> None:
    # As it binds 0.0.0.0 and a probe asks 10.1.2.3.
    assert refusal(TrustedHosts(["0.0.0.0"]), "10.1.2.3:8080", "10.1.2.3") is None
    assert refusal(TrustedHosts(["::"]), "10.1.2.3:8080", "::ffff:10.1.2.3") is None
    assert refusal(TrustedHosts(["::"]), "[fe80::1]:8080", "fe80::1%eth0") is None
    assert refusal(TrustedHosts(["0.0.0.0"]), "10.1.2.4:8080", "10.1.2.3") is not None


def test_names_of_the_certificate_in_force_count() -> None:
    certified: list[tuple[str, ...]] = [("old.example", "192.0.2.1")]
    trusted = TrustedHosts(certified=lambda: certified[0])
    assert refusal(trusted, "old.example:8443") is None
    assert refusal(trusted, "192.0.2.1") is None
    assert trusted.names is trusted.names
    certified[0] = ("new.example",)
    assert refusal(trusted, "new.example") is None
    assert refusal(trusted, "old.example") is not None
    assert refusal(trusted, "localhost") is None


@pytest.mark.parametrize(
    ("host", "origin", "over_tls"),
    [
        ("localhost:8080", "http://localhost:8080", False),
        ("LOCALHOST:8080", "HTTP://localhost:8080", False),
        ("localhost", "http://localhost:80", False),
        ("localhost:80", "http://localhost", False),
        ("[::1]:8080", "http://[::1]:8080", False),
        ("localhost", "https://localhost", True),
        ("localhost:8443", "https://localhost:8443", True),
        # A proxy has ended TLS.
        ("control.example", "https://control.example", False),
        ("control.example:8443", "https://control.example:8443", False),
    ],
)
def test_pages_of_the_headend_may_use_it(host: str, origin: str, over_tls: bool) -> None:
    assert refusal(CONTROL, host, over_tls=over_tls, origin=origin) is None


@pytest.mark.parametrize(
    ("origin", "over_tls"),
    [
        ("null", False),
        ("", False),
        ("http://evil.example", False),
        ("http://evil.example:8080", False),
        ("http://localhost", False),
        ("http://localhost:3000", False),
        ("http://127.0.0.1:8080", False),
        ("https://localhost", False),
        ("http://localhost:8080.evil.example", False),
        ("http://localhost:8080@evil.example:8080", False),
        ("http://localhost:8080/", False),
        ("http://localhost:8080", True),
        ("ftp://localhost:8080", False),
        ("localhost:8080", False),
        ("http://localhost:8080 http://localhost:8080", False),
    ],
)
def test_pages_of_other_origins_may_not(origin: str, over_tls: bool) -> None:
    detail = refusal(CONTROL, "localhost:8080", over_tls=over_tls, origin=origin)
    assert detail is not None
    assert "cors_origins" in detail


def test_an_origin_needs_a_host_to_be_the_same() -> None:
    assert refusal(CONTROL, "", origin="http://localhost") is not None


def test_configured_origins_may_use_it() -> None:
    trusted = TrustedHosts(origins=["https://control.example"])
    assert refusal(trusted, "localhost", origin="https://control.example") is None
    assert refusal(trusted, "localhost", origin="http://control.example") is not None
    anyone = TrustedHosts(origins=["*"])
    assert refusal(anyone, "localhost", origin="null") is None
    assert refusal(anyone, "localhost", site="cross-site", mode="no-cors") is None
    # Their pages still have to ask the headend itself.
    assert refusal(anyone, "evil.example", origin="http://evil.example") is not None


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_other_sites_may_link_to_it_and_not_embed_it(site: str) -> None:
    assert refusal(CONTROL, "localhost", site=site, mode="navigate") is None
    for mode in ("no-cors", "cors", "websocket", None):
        assert refusal(CONTROL, "localhost", site=site, mode=mode) is not None


@pytest.mark.parametrize("site", [None, "none", "same-origin"])
def test_the_headends_own_pages_and_the_address_bar_are_no_other_site(site: str | None) -> None:
    assert refusal(CONTROL, "localhost", site=site, mode="no-cors") is None


def test_remembered_hosts_are_bounded() -> None:
    for number in range(HOSTS_REMEMBERED + 10):
        assert refusal(CONTROL, f"evil{number}.example") is not None
    assert _is_named.cache_info().currsize == HOSTS_REMEMBERED
