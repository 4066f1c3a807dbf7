"""Which network addresses may be fetched from: public ones, unless the config says more.

A list of URLs is somebody else's text. Without this check a row such as ``http://169.254.169.254/...`` would read the
credentials of the cloud machine that the job runs on into a public data set.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network

NAT64 = IPv6Network("64:ff9b::/96")  # RFC 6052: how hosts without IPv4 reach it
METADATA = frozenset(  # where clouds hand out credentials; named apart so that the reason says so
    ip_address(a) for a in ("169.254.169.254", "169.254.170.2", "100.100.100.200", "fd00:ec2::254")
)


class RefusedAddressError(OSError):
    """A connection that must not be made. An OSError, so that the HTTP client treats it as a failed connection."""


@dataclass(frozen=True)
class AddressPolicy:
    """What may be connected to, beside public addresses."""

    allow_private: bool = False
    allowed: tuple[str, ...] = ()  # networks such as 10.1.0.0/16

    def refusal(self, address: str) -> str | None:
        """Why an address (IPv4 or IPv6 text) is refused, None if it is allowed."""
        try:
            found = ip_address(address)
        except ValueError:
            return f"{address} is not an address"
        if self.allow_private or any(found in ip_network(network) for network in self.allowed):
            return None
        return next((f"{address} is {why}" for inner in _meant(found) if (why := _kind(inner))), None)

    def check(self, addresses: Iterable[str]) -> list[str]:
        """The addresses that are allowed. Raises RefusedAddressError if none is."""
        refusals = [(address, self.refusal(address)) for address in addresses]
        allowed = [address for address, why in refusals if why is None]
        if not allowed:
            raise RefusedAddressError("; ".join(why for _, why in refusals if why) or "no address")
        return allowed


def _meant(address: IPv4Address | IPv6Address) -> Iterator[IPv4Address | IPv6Address]:
    """What a connection to the address reaches: itself, and what a tunnel or translator makes of it."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped:
            yield address.ipv4_mapped
            return
        if address in NAT64:
            yield IPv4Address(int(address) & 0xFFFFFFFF)
            return
        if address.sixtofour:
            yield address.sixtofour
        if address.teredo:
            yield from address.teredo
    yield address


def _kind(address: IPv4Address | IPv6Address) -> str | None:
    """The word for an address that is not public, None for a public one."""
    if address in METADATA:
        return "a cloud metadata service"
    for word, holds in (
        ("unspecified", address.is_unspecified),
        ("loopback", address.is_loopback),
        ("link-local", address.is_link_local),
        ("multicast", address.is_multicast),
        ("private", address.is_private),
        ("site-local", isinstance(address, IPv6Address) and address.is_site_local),
        ("reserved", address.is_reserved),
        (
            "not public",
            not address.is_global,
        ),  # carrier-grade NAT 100.64.0.0/10, benchmarks, documentation, ...
    ):
        if holds:
            return word
    return None
