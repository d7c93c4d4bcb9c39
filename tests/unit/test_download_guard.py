"""Which addresses are public, and where requests may go."""

import socket

import pytest

from shared.errors import DnsResolutionFailed, KlipError, UnsupportedSource
from shared.net.deadline import AnswerLimits
from shared.net.egress import Egress, any_host, convert, is_public, restricted_session
from workers.download.http import send


@pytest.mark.parametrize("address", ["93.184.216.34", "8.8.8.8", "2606:2800:220:1:248:1893:25c8:1946"])
def test_addresses_of_the_open_internet_are_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.8.9.1",
        "0.0.0.0",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "192.0.2.1",
        "198.18.0.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "fe80::1%eth0",
        "fc00::1",
        "ff02::1",
        "2001:db8::1",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe",
        "2002:7f00:1::",
    ],
)
def test_everything_else_is_not(address: str) -> None:
    assert not is_public(address)


def test_a_mapped_host_goes_to_its_base_with_path_and_query() -> None:
    egress = Egress(allowed=lambda _host: False, host_map={"gql.twitch.tv": "http://127.0.0.1:81/x"})

    assert egress.route("https://gql.twitch.tv/gql?a=1") == "http://127.0.0.1:81/x/gql?a=1"
    assert egress.may_be_private("127.0.0.1", 81)
    assert not egress.may_be_private("127.0.0.1", 82)


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.com/",
        "http://good.com/",
        "https://good.com:8443/",
        "https://u@good.com/",
        "https://gql.twitch.tv:444/gql",
        "http://127.0.0.1:81/gql",
        "file:///etc/passwd",
        "https://good.com\\@evil.com/",
        "https://[::1]/",
    ],
)
def test_what_is_not_allowed_has_no_route(url: str) -> None:
    mapped = {"gql.twitch.tv": "http://127.0.0.1:81"}
    egress = Egress(allowed=lambda host: host == "good.com", host_map=mapped)

    with pytest.raises(UnsupportedSource):
        egress.route(url)


def test_a_name_that_points_to_a_private_address_is_not_dialled() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        session = restricted_session(Egress(allowed=any_host))
        url = f"https://localhost:{server.getsockname()[1]}/"

        with pytest.raises(UnsupportedSource):
            send(session, "GET", url, limits=AnswerLimits(connect_s=1, silence_s=1))

        with pytest.raises(TimeoutError):
            server.accept()
        session.close()


def test_a_name_that_does_not_resolve_is_told_as_such() -> None:
    session = restricted_session(Egress(allowed=any_host))

    with pytest.raises(DnsResolutionFailed):
        send(session, "GET", "https://no-such-host.invalid/", limits=AnswerLimits(connect_s=1, silence_s=1))
    session.close()


def test_errors_of_the_guard_come_through_other_libraries() -> None:
    from requests import ConnectionError as RequestsConnectionError

    inner = UnsupportedSource("no")
    outer = RequestsConnectionError("wrapped")
    outer.__cause__ = inner

    found: KlipError = convert(outer)

    assert found is inner
