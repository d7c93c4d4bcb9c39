"""Which servers we talk to: every request, redirect and playlist entry passes here, down to the address dialled.

An `Egress` says which hosts are allowed; a session made by `restricted_session` (or one that `restrict` was called on)
can't reach anything else: names are checked before each hop, addresses after DNS and before the connection, so a name
that changes its address between check and use gains nothing.
"""

import ipaddress
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast
from urllib.parse import urlsplit

import requests
from urllib3.connection import HTTPConnection
from urllib3.connectionpool import HTTPConnectionPool
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError

from shared.errors import ConnectionFailed, KlipError, UnclassifiedError, UnsupportedSource
from shared.net.deadline import (
    Deadline,
    DeadlineAdapter,
    TimedConnection,
    TimedTlsConnection,
    Timeouts,
    bounded_by_deadline,
    pools_of,
)
from shared.net.edges import classify
from shared.source_url import split_address

MAX_REDIRECTS = 5
ASTRAY = (requests.TooManyRedirects, requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema)

HostRule = Callable[[str], bool]


def any_host(_host: str) -> bool:
    """Every name is allowed; only its addresses are checked."""
    return True


@dataclass(frozen=True, kw_only=True)
class Egress:
    """Where requests may go.

    allowed: whether a host name is.  host_map: host to base URL, sends requests for that host elsewhere
    (TWITCH_HOST_MAP).  private: `host:port` that may be private and plain http (ALLOW_PRIVATE_HOSTS).
    """

    allowed: HostRule
    host_map: Mapping[str, str] = field(default_factory=dict)
    private: frozenset[str] = frozenset()

    def route(self, url: str) -> str:
        """The address to send a request for `url` to. Raises UnsupportedSource when it may not be sent."""
        host, port, scheme = split_address(url)
        if (base := self.host_map.get(host)) is not None and (scheme, port) == ("https", 443):
            parts = urlsplit(url)
            return base.rstrip("/") + (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        authority = f"{host}:{port}"
        listed = authority in self.private
        if not self.allowed(authority) and not (self.allowed(host) and (listed or port == 443)):
            raise UnsupportedSource("A request to a host that is not allowed was refused.")
        if scheme != "https" and not listed:
            raise UnsupportedSource("A request that was not https was refused.")
        return url

    def may_be_private(self, host: str, port: int) -> bool:
        """Whether `host:port` may have an address that is not public."""
        return f"{host}:{port}" in self.private or f"{host}:{port}" in self._mapped_to()

    def _mapped_to(self) -> frozenset[str]:
        addresses = (split_address(base) for base in self.host_map.values())
        return frozenset(f"{host}:{port}" for host, port, _scheme in addresses)


def is_public(address: str) -> bool:
    """Whether an IP address is one of the open internet (also as an IPv4 address inside an IPv6 one)."""
    ip = ipaddress.ip_address(address.split("%", 1)[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
        if inner is not None:
            return is_public(str(inner))
        if ip in _NAT64:
            return is_public(str(ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)))
    return ip.is_global and not (ip.is_multicast or ip.is_reserved or ip.is_loopback or ip.is_unspecified)


# Family, kind, protocol, canonical name, address; the address of a family that Python was built without is bytes.
AddressRow = tuple[
    socket.AddressFamily, socket.SocketKind, int, str, tuple[str, int] | tuple[str, int, int, int] | tuple[int, bytes]
]
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


def public_addresses(host: str, port: int) -> Sequence[AddressRow]:
    """`getaddrinfo` rows of `host`. Raises UnsupportedSource unless every one is public, socket.gaierror from DNS."""
    rows = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    if not all(is_public(str(row[4][0])) for row in rows):
        raise UnsupportedSource("A request to a private address was refused.")
    return rows


class _Dialer:
    """Connects to addresses that were checked, in place of urllib3's lookup-and-connect."""

    egress: Egress

    def _new_conn(self) -> socket.socket:
        conn = cast(HTTPConnection, self)
        try:
            sock = self._connect(conn)
        except socket.gaierror as error:
            raise NameResolutionError(conn.host, conn, error) from error
        except TimeoutError as error:
            raise ConnectTimeoutError(conn, f"Connection to {conn.host} timed out") from error
        except OSError as error:
            raise NewConnectionError(conn, f"Failed to establish a new connection: {error}") from error
        sys.audit("http.client.connect", conn, conn.host, conn.port)
        return sock

    def _connect(self, conn: HTTPConnection) -> socket.socket:
        host, port = conn.host, conn.port
        if self.egress.may_be_private(host, port):
            rows: Sequence[AddressRow] = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        else:
            rows = public_addresses(host, port)
        failure: OSError = OSError("no address")
        for family, kind, protocol, _name, address in rows:
            sock = socket.socket(family, kind, protocol)
            try:
                for option in conn.socket_options or ():
                    sock.setsockopt(*option)
                bounded_by_deadline(sock, conn.timeout)
                sock.connect(address)
                bounded_by_deadline(sock, conn.timeout)  # for the handshake of TLS
            except OSError as error:
                sock.close()
                failure = error
            else:
                return sock
        raise failure


def _connections_of(egress: Egress) -> dict[str, type[HTTPConnectionPool]]:
    plain = type("RestrictedConnection", (_Dialer, TimedConnection), {"egress": egress})
    secure = type("RestrictedTlsConnection", (_Dialer, TimedTlsConnection), {"egress": egress})
    return pools_of(plain, secure)


class EgressAdapter(DeadlineAdapter):
    """Sends a request, or one hop of a redirect, only where `egress` lets it go."""

    def __init__(self, egress: Egress, *, connections: int = 16) -> None:
        self._egress = egress
        super().__init__(connections=connections)

    def pool_classes(self) -> dict[str, type[HTTPConnectionPool]]:
        """Connections to addresses that were checked."""
        return _connections_of(self._egress)

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: Deadline | Timeouts = None,
        verify: bool | str = True,
        cert: bytes | str | tuple[bytes | str, bytes | str] | None = None,
        proxies: Mapping[str, str] | None = None,
    ) -> requests.Response:
        """Send `request` to where `egress` routes it. Raises UnsupportedSource, and what a `DeadlineAdapter` does."""
        asked = request.url or ""
        request.url = self._egress.route(asked)
        try:
            response = super().send(request, stream, timeout, verify, cert, proxies)
        finally:
            request.url = asked
        response.url = asked
        return response


def restrict(
    session: requests.Session, egress: Egress, *, connections: int = 16, adapter: EgressAdapter | None = None
) -> None:
    """Make `session` unable to reach anything that `egress` does not allow; proxies and .netrc are not used.

    adapter: an own kind, of the same egress.
    """
    session.trust_env = False
    session.max_redirects = MAX_REDIRECTS
    session.adapters.clear()
    adapter = adapter or EgressAdapter(egress, connections=connections)
    session.mount("https://", adapter)
    session.mount("http://", adapter)


def restricted_session(egress: Egress, *, connections: int = 16) -> requests.Session:
    """A new session behind `restrict`."""
    session = requests.Session()
    restrict(session, egress, connections=connections)
    return session


def convert(error: Exception) -> KlipError:
    """The catalogue's error for what `requests`, urllib3 or a socket raised."""
    if isinstance(error, ASTRAY):
        return UnsupportedSource("A server sent us in circles or to an address that is not allowed.")
    known = classify(error)
    return ConnectionFailed() if isinstance(known, UnclassifiedError) else known
