"""Whoever asks another server gets a typed error in time, however that server takes its time or floods us."""

import ssl
import subprocess
import time
from collections.abc import Callable
from math import inf
from pathlib import Path
from typing import NamedTuple

import pytest

from shared.errors import ConnectionFailed, KlipError, NetworkTimeout, VideoSizeExceeded
from shared.net.deadline import AnswerLimits
from shared.net.egress import Egress, any_host, restricted_session
from shared.net.retry import RetryPolicy
from shared.progress import silent
from tests.peers.canned import canned, http_answer
from tests.peers.slow_server import HEADERS, SLOW_HEADERS, SlowServer, slow_server
from workers.delivery.convex import ConvexClient
from workers.delivery.webhook_sender import KEPT_ANSWER, WebhookSender
from workers.download.concurrency import AdaptiveLimit, Bounds
from workers.download.direct import DirectSource
from workers.download.file_fetch import FileLimits, fetch_file
from workers.download.graphql import Graphql
from workers.download.hls import Addresses, FetchSettings, SegmentFetcher
from workers.download.http import send
from workers.download.playlist import Resource, Segment
from workers.download.resolver import Resolver, TwitchAccess
from workers.download.spool import Spool

TOTAL_S = 1.0
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
WHOLE = AnswerLimits(connect_s=TOTAL_S, silence_s=TOTAL_S, headers_s=TOTAL_S, total_s=TOTAL_S, max_bytes=2**20)
STREAMED = AnswerLimits(silence_s=TOTAL_S, headers_s=TOTAL_S, total_s=TOTAL_S)
ENDLESS = AnswerLimits(silence_s=TOTAL_S, headers_s=TOTAL_S, total_s=inf, window_s=TOTAL_S)
MAX_SEGMENT_BYTES = 2**20
ONCE = RetryPolicy(attempts=0)
TOKEN = b'{"data":{"videoPlaybackAccessToken":{"signature":"s","value":"{}"}}}'
# How long anything may take that is given TOTAL_S: generous, for busy machines; the servers' answers never end.
IN_TIME_S = 15.0

Ask = Callable[[SlowServer, Path], object]


def convex(server: SlowServer, _folder: Path) -> None:
    ConvexClient(server.url, "key", limits=WHOLE).query("video:getJobById", {"jobId": "job1"})


def webhook(server: SlowServer, _folder: Path) -> None:
    sender = WebhookSender((SECRET,), private_hosts=frozenset({server.address}), timeout_s=TOTAL_S)
    answer = sender.post(server.url, event_id="msg_1", body="{}")
    assert (answer.status, answer.error) == (None, str(NetworkTimeout().detail))
    raise NetworkTimeout


def graphql(server: SlowServer, _folder: Path) -> None:
    egress = Egress(allowed=any_host, host_map={"gql.twitch.tv": server.url})
    with restricted_session(egress) as session:
        Graphql(session, client_id="id").call({})


def usher(server: SlowServer, _folder: Path) -> None:
    with canned(http_answer(200, TOKEN), hangs_up=True) as tokens:
        hosts = {"gql.twitch.tv": tokens, "usher.ttvnw.net": server.url}
        Resolver("42", TwitchAccess(client_id="id", host_map=hosts, max_hours=1, retry=ONCE)).renditions()


def playlist(server: SlowServer, _folder: Path) -> None:
    source = DirectSource(
        "https://media.example/list.m3u8",
        allowed_hosts=["media.example"],
        host_map={"media.example": server.url},
        max_hours=1,
        retry=ONCE,
    )
    source._text("https://media.example/list.m3u8")


def segment(server: SlowServer, folder: Path) -> None:
    allowed = Egress(allowed=any_host, private=frozenset({server.address}))
    segments = [Segment(0, Resource(f"{server.url}/0.ts"), 0.0, 10.0, None, discontinuity=False)]
    with restricted_session(allowed) as session:
        fetcher = SegmentFetcher(
            session,
            Addresses(segments, None),
            settings=FetchSettings(limits=STREAMED, retry=ONCE),
            folder=folder,
            limit=AdaptiveLimit(Bounds.fixed(1)),
        )
        fetcher.fetch(0, Spool(folder))


def file(server: SlowServer, folder: Path) -> None:
    allowed = Egress(allowed=any_host, private=frozenset({server.address}))
    limits = FileLimits(max_bytes=2**20, min_free_bytes=0)
    with restricted_session(allowed) as session:
        fetch_file(session, server.url, folder / "file", limits=limits, retry=ONCE, progress=silent)


class Caller(NamedTuple):
    """Who asks, and what it says about an answer that is too long."""

    ask: Ask
    too_long: type[KlipError]


CALLERS = [
    Caller(convex, ConnectionFailed),
    Caller(graphql, ConnectionFailed),
    Caller(usher, ConnectionFailed),
    Caller(playlist, ConnectionFailed),
    Caller(segment, VideoSizeExceeded),
    Caller(file, VideoSizeExceeded),
]


@pytest.fixture(autouse=True)
def _short_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workers.download.graphql.LIMITS", WHOLE)
    monkeypatch.setattr("workers.download.direct.PLAYLIST_LIMITS", WHOLE)
    monkeypatch.setattr("workers.download.resolver.STREAMLINK_TIMEOUT_S", TOTAL_S)
    monkeypatch.setattr("workers.download.file_fetch.LIMITS", ENDLESS)
    monkeypatch.setattr("workers.download.spool.MAX_BODY_BYTES", MAX_SEGMENT_BYTES)


def fails_in_time(ask: Ask, server: SlowServer, folder: Path, error: type[KlipError]) -> None:
    began = time.monotonic()
    with pytest.raises(error):
        ask(server, folder)
    assert time.monotonic() - began < IN_TIME_S
    assert server.requests > 0
    assert server.client_left.wait(IN_TIME_S)


@pytest.mark.parametrize("ask", [*(caller.ask for caller in CALLERS), webhook])
@pytest.mark.parametrize(
    ("beginning", "goes_on"),
    [(SLOW_HEADERS, "drip"), (HEADERS, "drip"), (HEADERS, "hang"), (b"", "hang")],
    ids=["headers drip", "body drips", "no body", "no headers"],
)
def test_a_server_that_takes_its_time_is_a_network_timeout(
    ask: Ask, beginning: bytes, goes_on: str, tmp_path: Path
) -> None:
    with slow_server(beginning, goes_on) as server:
        fails_in_time(ask, server, tmp_path, NetworkTimeout)


@pytest.mark.parametrize(("ask", "error"), CALLERS)
def test_an_answer_that_is_too_long_is_refused(ask: Ask, error: type[KlipError], tmp_path: Path) -> None:
    with slow_server(HEADERS, "pour") as server:
        fails_in_time(ask, server, tmp_path, error)


def test_no_more_of_a_receivers_answer_is_read_than_is_shown() -> None:
    with slow_server(HEADERS, "pour") as server:
        sender = WebhookSender((SECRET,), private_hosts=frozenset({server.address}))
        answer = sender.post(server.url, event_id="msg_1", body="{}")

        assert answer.status == 200
        assert len(answer.text) <= KEPT_ANSWER
        assert server.client_left.wait(IN_TIME_S)


def test_the_body_of_a_redirect_is_not_waited_for() -> None:
    redirect = b"HTTP/1.1 302 Found\r\nLocation: https://elsewhere.example/\r\n\r\n"
    with slow_server(redirect, "pour") as server:
        egress = Egress(allowed={server.address}.__contains__, private=frozenset({server.address}))
        with restricted_session(egress) as session, pytest.raises(KlipError) as refused:
            send(session, "GET", server.url, limits=AnswerLimits(), stream=True)

        assert refused.value.code == "UNSUPPORTED_SOURCE"
        assert server.client_left.wait(IN_TIME_S)


@pytest.mark.parametrize("beginning", [SLOW_HEADERS, HEADERS], ids=["headers", "body"])
def test_a_deadline_holds_through_tls(beginning: bytes, tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost", "-days", "1"]
    command += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)
    with slow_server(beginning, "drip", tls=tls) as server:
        egress = Egress(allowed=any_host, private=frozenset({server.address}))
        began = time.monotonic()
        with restricted_session(egress) as session:
            session.verify = str(certificate)
            with pytest.raises(NetworkTimeout):
                send(session, "GET", f"https://{server.address}/", limits=WHOLE)

        assert time.monotonic() - began < IN_TIME_S
        assert server.requests == 1


def test_a_handshake_that_never_comes_is_not_waited_for() -> None:
    with canned() as url:
        address = url.removeprefix("http://")
        egress = Egress(allowed=any_host, private=frozenset({address}))
        began = time.monotonic()
        with restricted_session(egress) as session, pytest.raises(NetworkTimeout):
            send(session, "GET", f"https://{address}/", limits=WHOLE)
        assert time.monotonic() - began < IN_TIME_S
