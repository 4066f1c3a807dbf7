"""Address policy: pictures are fetched from public addresses only, unless the config allows more.

A list of URLs is hostile input. Without this check a row such as ``http://169.254.169.254/...`` would copy
the credentials of the cloud machine that runs the job into a public data set.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network

NAT64 = IPv6Network("64:ff9b::/96")  # RFC 6052: hosts without IPv4 reach IPv4 through it
METADATA = frozenset(  # services that hand out a cloud machine's credentials and settings
    ip_address(address)
    for address in (
        "169.254.169.254",  # AWS, Azure, Google
        "169.254.170.2",  # AWS, containers
        "168.63.129.16",  # Azure's host agent: a public address by its number
        "100.100.100.200",  # Alibaba
        "192.0.0.192",  # Oracle
        "fd00:ec2::254",  # AWS
        "fd20:ce::254",  # Google
    )
)


class RefusedAddressError(OSError):
    """A connection that must not be made. To aiohttp, an OSError is a failed connection."""


@dataclass(frozen=True)
class AddressPolicy:
    """Addresses that are allowed in addition to public ones."""

    allow_private: bool = False
    allowed: tuple[str, ...] = ()  # networks such as 10.1.0.0/16

    def refusal(self, address: str) -> str | None:
        """The reason why an address (IPv4 or IPv6 text) is refused; None if it is allowed."""
        try:
            found = ip_address(address)
        except ValueError:
            return f"{address} is not an address"
        if self.allow_private or any(found in ip_network(network) for network in self.allowed):
            return None
        for inner in _reached(found):
            kind = _kind(inner)
            if kind:
                return f"{address} is {kind}; fetch.allowed_networks=[{address}] would allow it"
        return None

    def check(self, addresses: Iterable[str]) -> list[str]:
        """The addresses that are allowed. Raises RefusedAddressError if none is."""
        refusals = [(address, self.refusal(address)) for address in addresses]
        allowed = [address for address, why in refusals if why is None]
        if not allowed:
            raise RefusedAddressError("; ".join(why for _, why in refusals if why) or "no address")
        return allowed


def _reached(address: IPv4Address | IPv6Address) -> Iterator[IPv4Address | IPv6Address]:
    """The addresses that a connection reaches: the address itself, or the end of a tunnel or translator."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped:
            yield address.ipv4_mapped
            return
        if address in NAT64:
            yield IPv4Address(int(address) & 0xFFFFFFFF)
            return
        if address.sixtofour:  # versions of Python differ on whether 2002::/16 itself is public
            yield address.sixtofour
            return
        if address.teredo:
            yield from address.teredo
    yield address


def _kind(address: IPv4Address | IPv6Address) -> str | None:
    """A word for an address that is not public; None for a public one."""
    if address in METADATA:
        return "a cloud metadata service"
    kinds = (
        ("unspecified", address.is_unspecified),
        ("loopback", address.is_loopback),
        ("link-local", address.is_link_local),
        ("multicast", address.is_multicast),
        ("private", address.is_private),
        ("site-local", isinstance(address, IPv6Address) and address.is_site_local),
        ("reserved", address.is_reserved),
        ("not public", not address.is_global),  # carrier-grade NAT, benchmarks, documentation, ...
    )
    return next((word for word, holds in kinds if holds), None)
