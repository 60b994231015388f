"""Where members may be: an address is looked up once, looked at, and then is the one that is dialled.

Else a name that the network's owner does not control could lead anywhere inside the network (SSRF, DNS rebinding):
https://cheatsheetseries.owasp.org/cheatsheets/Server_Side_Request_Forgery_Prevention_Cheat_Sheet.html
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TypeAlias
from urllib.parse import urlsplit

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network
Resolve: TypeAlias = Callable[[str, int], Awaitable[Sequence[str]]]
"""Returns the IP addresses of a host, as text; raises OSError."""

_PORTS = {"http": 80, "https": 443}


class Forbidden(Exception):
    """The address is none that may be dialled; the message says why."""


@dataclass(frozen=True, slots=True)
class Destination:
    """Where a request goes: the address to dial, and the name that the other side goes by."""

    address: str
    port: int
    host: str
    scheme: str


@dataclass(frozen=True, slots=True)
class Destinations:
    """Tells where a URL leads. Public addresses are dialled, others where `networks` has them; never without TLS beyond these."""

    networks: tuple[Network, ...] = ()
    resolve: Resolve | None = None

    async def of(self, url: str) -> Destination:
        """Return where to dial; raise Forbidden, or OSError where the name leads nowhere."""
        parts = urlsplit(url)
        host = parts.hostname or ""
        if parts.scheme not in _PORTS or not host:
            raise Forbidden("its address is not of HTTPS")
        port = parts.port or _PORTS[parts.scheme]
        found = [ip_address(each) for each in await (self.resolve or _resolve)(host, port)]
        if not found:
            raise OSError("no address")
        for each in found:
            # All of them: a name with one bad address is not to be trusted with the others.
            self._check(each, parts.scheme)
        return Destination(str(found[0]), port, host, parts.scheme)

    def _check(self, address: Address, scheme: str) -> None:
        plain = _unmapped(address)
        listed = any(plain in each for each in self.networks if each.version == plain.version)
        if not listed and (not plain.is_global or plain.is_multicast):
            raise Forbidden(
                "its address is not public, and is in no network that members may be in"
            )
        if not listed and scheme != "https":
            raise Forbidden("its address is not of HTTPS")


def networks_of(texts: Sequence[str]) -> tuple[Network, ...]:
    """Return networks as they are written, `10.20.0.0/16`; raise ValueError."""
    return tuple(ip_network(each) for each in texts)


def _unmapped(address: Address) -> Address:
    """Return the IPv4 address that an IPv6 one may stand for."""
    if isinstance(address, IPv6Address):
        return address.ipv4_mapped or address.sixtofour or address
    return address


async def _resolve(host: str, port: int) -> Sequence[str]:
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(each[4][0]) for each in found]
