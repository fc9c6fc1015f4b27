"""Where a webhook may go: addresses of the internet, and private networks that a setting names. Pure.

Judged are addresses, never names: `127.1`, `0x7f000001` or a name that points inward resolve to an address first.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final
from urllib.parse import urlsplit

MAX_URL_CHARS = 2_000
PORTS = {"http": 80, "https": 443}

# The special-purpose registries of IANA, spelled out: what `ipaddress` calls global differs between Python releases.
SPECIAL_V4: Final = [
    ip_network(block)
    for block in (
        "0.0.0.0/8",  # this network
        "10.0.0.0/8",
        "100.64.0.0/10",  # carriers' NAT
        "127.0.0.0/8",
        "169.254.0.0/16",  # link-local: the clouds' metadata
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.31.196.0/24",
        "192.52.193.0/24",
        "192.88.99.0/24",  # relays of 6to4
        "192.168.0.0/16",
        "192.175.48.0/24",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, and broadcast
    )
]
# Of IPv6 only this block is given out. So loopback, ::, link-local, unique local, multicast, site-local, the NAT64
# prefixes and whatever embeds an IPv4 address in front of it are refused without being named.
GLOBAL_V6: Final = ip_network("2000::/3")
SPECIAL_V6: Final = [
    ip_network(block)
    for block in (
        "2001::/23",  # Teredo and other protocols
        "2001:db8::/32",
        "2002::/16",  # 6to4: embeds an IPv4 address
        "2620:4f:8000::/48",
        "3fff::/20",
    )
]

Network = IPv4Network | IPv6Network


class AddressRefused(ValueError):
    """A URL or an address that webhooks must not go to. The message is a sentence for the operator."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """A checked URL, taken apart once, so that what was checked is what is connected to."""

    scheme: str
    host: str  # without brackets
    port: int
    path: str  # with its query

    @property
    def authority(self) -> str:
        """The Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"


def parse_url(url: str, *, allow_http: bool) -> Target:
    """Raises AddressRefused. Parsers disagree on what is odd, so nothing odd is taken."""
    if (
        len(url) > MAX_URL_CHARS
        or not url.isascii()
        or not url.isprintable()
        or set(url) & set(' \\"<>^`{|}')
    ):
        raise AddressRefused(
            "The address has characters that do not belong there; write an international name as xn--…"
        )
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise AddressRefused("The address cannot be read.") from None
    if parts.scheme != "https" and not (parts.scheme == "http" and allow_http):
        raise AddressRefused("A webhook's address begins with https://.")
    if not host or "%" in host:
        raise AddressRefused("The address names no host.")
    if "@" in parts.netloc or parts.fragment:
        raise AddressRefused("An address with a user, a password or a # is not taken.")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(scheme=parts.scheme, host=host, port=port or PORTS[parts.scheme], path=path)


def require_allowed(addresses: Sequence[str], *, allowed: Sequence[Network]) -> None:
    """Every address that a name has must do: the next connection may get any of them. Raises AddressRefused."""
    if not addresses:
        raise AddressRefused("The host has no address.")
    for text in addresses:
        if not is_allowed(text, allowed=allowed):
            raise AddressRefused(
                f"The host is at {text}, which is no address of the internet. A private network that webhooks may "
                "reach is named in LONGHAUL_WEBHOOK_ALLOWED_NETWORKS."
            )


def is_allowed(text: str, *, allowed: Sequence[Network]) -> bool:
    """Whether webhooks may go to this address. An IPv4 address in an IPv6 one's clothes is judged as what it is."""
    try:
        address = ip_address(text)
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    if any(address in network for network in allowed if network.version == address.version):
        return True
    if isinstance(address, IPv4Address):
        return not any(address in block for block in SPECIAL_V4)
    # With a scope it is an interface's own.
    return (
        address.scope_id is None
        and address in GLOBAL_V6
        and not any(address in block for block in SPECIAL_V6)
    )
