"""What counts as one address: pure."""

from ipaddress import IPv6Address, ip_address

V6_NETWORK_BITS = 64
"""One site, even one host, usually has all IPv6 addresses with the same first 64 bits."""


def origin_of(address: str) -> str:
    """What counts as one address: an IPv4 address, or the /64 network of an IPv6 address.

    A port after the address does not matter. Other text stays as it is.
    """
    host = address[1:].partition("]")[0] if address.startswith("[") else address
    if host.count(":") == 1:
        host = host.partition(":")[0]
    try:
        parsed = ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if not isinstance(parsed, IPv6Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(IPv6Address(int(parsed) >> V6_NETWORK_BITS << V6_NETWORK_BITS))
