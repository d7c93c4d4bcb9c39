"""What the network and the services on it do, as each library tells it."""

import socket
import ssl
import urllib.request
from functools import partial
from urllib.parse import urlsplit

import httpx
import redis
import requests
from deepgram import DeepgramClient, DeepgramClientEnvironment
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage
from kombu import Connection
from streamlink.session.session import Streamlink

from shared.artifacts.gcs import RETRY, gcs_errors
from shared.net.deadline import AnswerLimits
from shared.net.egress import Egress, any_host, restricted_session
from tests.integration.provoked import ASKED_S, NOWHERE, REFUSED, SOON_S, Place, row
from tests.peers.canned import http_answer
from workers.download.http import check_status, converted_errors, send
from workers.transcription import deepgram_api

HALF = http_answer(200, b"half", length=100)
SLOW_DOWN = http_answer(429, b"{}", Retry_After=f"{ASKED_S:.0f}")
UNWELL = http_answer(503, b"{}")
BRIEFLY = RETRY.with_delay(initial=0.01, maximum=0.01).with_timeout(0.1)


def through_requests(place: Place, url: str) -> None:
    with requests.Session() as session:
        session.get(url, timeout=SOON_S).raise_for_status()


def through_guard(place: Place, url: str) -> None:
    """Our own session and its edge; no waiting for more than `SOON_S`."""
    host = f"{urlsplit(url).hostname}:{urlsplit(url).port}"
    session = place.stack.enter_context(restricted_session(Egress(allowed=any_host, private=frozenset({host}))))
    check_status(send(session, "GET", url, limits=AnswerLimits(connect_s=SOON_S, silence_s=SOON_S)), "A server")


def through_httpx(place: Place, url: str) -> None:
    httpx.get(url, timeout=SOON_S, trust_env=False).raise_for_status()


def through_streamlink(place: Place, url: str) -> None:
    session = place.stack.enter_context(Streamlink({"no-plugin-cache": True}).http)
    session.trust_env = False
    session.get(url, timeout=SOON_S)


def through_urllib3(place: Place, url: str) -> None:
    """A body that is read without `requests` around it, as segments are."""
    with requests.Session() as session, session.get(url, timeout=SOON_S, stream=True) as response:
        response.raw.read()


def through_deepgram(place: Place, url: str) -> None:
    environment = DeepgramClientEnvironment(base=url, production=url, agent=url, agent_rest=url)
    client = place.stack.enter_context(httpx.Client(timeout=SOON_S, trust_env=False))
    sdk = DeepgramClient(api_key="k", environment=environment, max_retries=0, httpx_client=client)
    sdk.listen.v1.media.transcribe_file(request=b"sound", request_options={"max_retries": 0})


def through_google(place: Place, url: str) -> None:
    with gcs_errors():
        google_client(place, url).bucket("b").get_blob("name", timeout=SOON_S, retry=None)


def google_client(place: Place, url: str) -> storage.Client:
    nobody = AnonymousCredentials()  # type: ignore[no-untyped-call]
    client = storage.Client(project="p", credentials=nobody, client_options={"api_endpoint": url})
    place.stack.callback(client._http.close)
    return client


def through_redis(url: str, **options: object) -> None:
    with redis.Redis.from_url(url, retry=None, **options) as client:
        client.set("key", "value")


# --- nothing comes back -----------------------------------------------------------------------------------------------


@row("NETWORK_TIMEOUT")
def requests_gets_no_answer(place: Place) -> None:
    through_requests(place, place.silent())


@row("NETWORK_TIMEOUT")
def the_guarded_session_gets_no_answer(place: Place) -> None:
    through_guard(place, place.silent())


@row("NETWORK_TIMEOUT")
def a_body_stalls_halfway(place: Place) -> None:
    through_guard(place, place.answering(HALF, hangs_up=False))


@row("NETWORK_TIMEOUT")
def a_streamed_body_stalls_halfway(place: Place) -> None:
    through_urllib3(place, place.answering(HALF, hangs_up=False))


@row("NETWORK_TIMEOUT")
def httpx_gets_no_answer(place: Place) -> None:
    through_httpx(place, place.silent())


@row("NETWORK_TIMEOUT")
def the_deepgram_sdk_gets_no_answer(place: Place) -> None:
    through_deepgram(place, place.silent())


@row("NETWORK_TIMEOUT")
def streamlink_gets_no_answer(place: Place) -> None:
    through_streamlink(place, place.silent())


@row("NETWORK_TIMEOUT")
def a_socket_gets_no_answer(place: Place) -> None:
    address = urlsplit(place.silent())
    with socket.create_connection((address.hostname, address.port), timeout=SOON_S) as connection:
        connection.recv(1)


@row("NETWORK_TIMEOUT")
def nobody_takes_the_connection(place: Place) -> None:
    with socket.socket() as server, socket.socket() as first, socket.socket() as second:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        for waiting in (first, second):
            waiting.setblocking(False)
            waiting.connect_ex(server.getsockname())
        through_requests(place, f"http://127.0.0.1:{server.getsockname()[1]}")


# --- the connection is refused or breaks ------------------------------------------------------------------------------


@row("CONNECTION_FAILED")
def requests_is_refused(place: Place) -> None:
    through_requests(place, REFUSED)


@row("CONNECTION_FAILED")
def the_guarded_session_is_refused(place: Place) -> None:
    through_guard(place, REFUSED)


@row("CONNECTION_FAILED")
def httpx_is_refused(place: Place) -> None:
    through_httpx(place, REFUSED)


@row("CONNECTION_FAILED")
def the_deepgram_sdk_is_refused(place: Place) -> None:
    through_deepgram(place, REFUSED)


@row("CONNECTION_FAILED")
def streamlink_is_refused(place: Place) -> None:
    through_streamlink(place, REFUSED)


@row("CONNECTION_FAILED")
def a_socket_is_refused(place: Place) -> None:
    socket.create_connection(("127.0.0.1", 9), timeout=SOON_S)


@row("CONNECTION_FAILED")
def urllib_is_refused(place: Place) -> None:
    urllib.request.urlopen(REFUSED, timeout=SOON_S)


@row("CONNECTION_FAILED")
def requests_is_hung_up_on(place: Place) -> None:
    through_requests(place, place.answering(b""))


@row("CONNECTION_FAILED")
def httpx_is_hung_up_on(place: Place) -> None:
    through_httpx(place, place.answering(b""))


@row("CONNECTION_FAILED")
def a_body_is_cut_off(place: Place) -> None:
    through_guard(place, place.answering(HALF))


@row("CONNECTION_FAILED")
def a_streamed_body_is_cut_off(place: Place) -> None:
    through_urllib3(place, place.answering(HALF))


@row("CONNECTION_FAILED")
def the_other_side_of_a_pipe_is_gone(place: Place) -> None:
    ours, theirs = socket.socketpair()
    with ours:
        theirs.close()
        ours.send(b"x")


@row("CONNECTION_FAILED")
def a_server_does_not_speak_tls(place: Place) -> None:
    # Its errno is 1, which is EPERM's number, too.
    address = urlsplit(place.answering(UNWELL))
    with socket.create_connection((address.hostname, address.port), timeout=SOON_S) as connection:
        ssl.create_default_context().wrap_socket(connection, server_hostname="localhost")


@row("CONNECTION_FAILED")
def requests_meets_no_tls(place: Place) -> None:
    through_requests(place, place.answering(UNWELL).replace("http:", "https:"))


@row("CONNECTION_FAILED")
def an_address_is_not_this_machines(place: Place) -> None:
    with socket.socket() as server:
        server.bind(("192.0.2.1", 0))


# --- names ------------------------------------------------------------------------------------------------------------


@row("DNS_RESOLUTION_FAILED")
def requests_finds_no_address(place: Place) -> None:
    through_requests(place, f"http://{NOWHERE}")


@row("DNS_RESOLUTION_FAILED")
def the_guarded_session_finds_no_address(place: Place) -> None:
    through_guard(place, f"http://{NOWHERE}:80")


@row("DNS_RESOLUTION_FAILED")
def httpx_finds_no_address(place: Place) -> None:
    through_httpx(place, f"http://{NOWHERE}")


@row("DNS_RESOLUTION_FAILED")
def the_deepgram_sdk_finds_no_address(place: Place) -> None:
    through_deepgram(place, f"http://{NOWHERE}")


@row("DNS_RESOLUTION_FAILED")
def streamlink_finds_no_address(place: Place) -> None:
    through_streamlink(place, f"http://{NOWHERE}")


@row("DNS_RESOLUTION_FAILED")
def a_name_has_no_address(place: Place) -> None:
    socket.getaddrinfo(NOWHERE, 80)


# --- services that ask us to slow down --------------------------------------------------------------------------------


@row("RATE_LIMIT_EXCEEDED", retry_after_s=ASKED_S)
def requests_is_told_to_slow_down(place: Place) -> None:
    through_requests(place, place.answering(SLOW_DOWN))


@row("RATE_LIMIT_EXCEEDED", retry_after_s=ASKED_S)
def the_guarded_session_is_told_to_slow_down(place: Place) -> None:
    through_guard(place, place.answering(SLOW_DOWN))


@row("RATE_LIMIT_EXCEEDED", retry_after_s=ASKED_S)
def httpx_is_told_to_slow_down(place: Place) -> None:
    through_httpx(place, place.answering(SLOW_DOWN))


@row("RATE_LIMIT_EXCEEDED", retry_after_s=ASKED_S)
def streamlink_is_told_to_slow_down(place: Place) -> None:
    through_streamlink(place, place.answering(SLOW_DOWN))


@row("RATE_LIMIT_EXCEEDED", retry_after_s=ASKED_S)
def the_deepgram_sdk_is_told_to_slow_down(place: Place) -> None:
    through_deepgram(place, place.answering(SLOW_DOWN))


@row("RATE_LIMIT_EXCEEDED", retry_after_s=ASKED_S)
def deepgram_is_told_to_slow_down(place: Place) -> None:
    raise deepgram_api._error_of(429, {}, {"retry-after": f"{ASKED_S:.0f}"})


@row("RATE_LIMIT_EXCEEDED", retry_after_s=ASKED_S)
def the_google_client_is_told_to_slow_down(place: Place) -> None:
    through_google(place, place.answering(SLOW_DOWN))


@row("RATE_LIMIT_EXCEEDED", retry_after_s=ASKED_S)
def the_google_client_tried_until_its_deadline(place: Place) -> None:
    client = google_client(place, place.answering(SLOW_DOWN))
    with gcs_errors():
        client.bucket("b").get_blob("name", timeout=SOON_S, retry=BRIEFLY)


@row("RATE_LIMIT_EXCEEDED")
def no_time_is_named(place: Place) -> None:
    through_requests(place, place.answering(http_answer(429)))


# --- the services themselves ------------------------------------------------------------------------------------------


@row("TRANSCRIPTION_SERVICE_ERROR")
def deepgram_is_unwell(place: Place) -> None:
    through_deepgram(place, place.answering(UNWELL))


@row("TRANSCRIPTION_SERVICE_ERROR")
def deepgram_answers_with_something_else(place: Place) -> None:
    through_deepgram(place, place.answering(http_answer(200, b"<html>oops", Content_Type="application/json")))


@row("DATABASE_ERROR")
def redis_refuses_the_connection(place: Place) -> None:
    through_redis("redis://127.0.0.1:9")


@row("DATABASE_ERROR")
def redis_does_not_answer(place: Place) -> None:
    through_redis(place.silent().replace("http:", "redis:"), socket_timeout=SOON_S)


@row("DATABASE_ERROR")
def redis_has_no_address(place: Place) -> None:
    through_redis(f"redis://{NOWHERE}:6379")


@row("DATABASE_ERROR")
def redis_refuses_the_password(place: Place) -> None:
    address = urlsplit(place.valkey)
    through_redis(f"redis://:wrong@{address.hostname}:{address.port}")


@row("DATABASE_ERROR")
def redis_is_full(place: Place) -> None:
    with redis.Redis.from_url(place.valkey) as client:
        client.config_set("maxmemory", 1)
        place.stack.callback(partial(_make_room, place.valkey))
    through_redis(place.valkey)


def _make_room(url: str) -> None:
    with redis.Redis.from_url(url) as client:
        client.config_set("maxmemory", 0)


@row("DATABASE_ERROR")
def the_broker_refuses_the_connection(place: Place) -> None:
    with Connection("redis://127.0.0.1:9") as connection:  # type: ignore[no-untyped-call]
        connection.ensure_connection(max_retries=1, interval_start=0.01, interval_step=0)


@row("STORAGE_SERVICE_ERROR")
def google_refuses_the_connection(place: Place) -> None:
    through_google(place, REFUSED)


@row("STORAGE_SERVICE_ERROR")
def google_does_not_answer(place: Place) -> None:
    through_google(place, place.silent())


@row("STORAGE_SERVICE_ERROR")
def google_has_no_address(place: Place) -> None:
    through_google(place, f"http://{NOWHERE}")


@row("STORAGE_SERVICE_ERROR")
def google_is_unwell(place: Place) -> None:
    through_google(place, place.answering(UNWELL))


@row("STORAGE_SERVICE_ERROR")
def google_stays_unwell_until_the_deadline(place: Place) -> None:
    client = google_client(place, place.answering(UNWELL))
    client.bucket("b").get_blob("name", timeout=SOON_S, retry=BRIEFLY)


@row("FILE_NOT_FOUND")
def google_has_no_such_file(place: Place) -> None:
    with gcs_errors():
        google_client(place, place.answering(http_answer(404, b"{}"))).bucket("b").blob("name").download_as_bytes()


@row("PERMISSION_DENIED")
def google_forbids_it(place: Place) -> None:
    through_google(place, place.answering(http_answer(403, b"{}")))


@row("EXTERNAL_SERVICE_ERROR")
def a_server_is_unwell(place: Place) -> None:
    through_requests(place, place.answering(UNWELL))


@row("EXTERNAL_SERVICE_ERROR")
def a_server_sends_no_json(place: Place) -> None:
    with requests.Session() as session:
        session.get(place.answering(http_answer(200, b"<html>")), timeout=SOON_S).json()


@row("UNSUPPORTED_SOURCE")
def a_server_sends_us_in_circles(place: Place) -> None:
    url = place.answering(http_answer(302, Location="/"))
    with requests.Session() as session:
        session.max_redirects = 2
        with converted_errors():
            session.get(url, timeout=SOON_S)


@row("INSUFFICIENT_STORAGE")
def a_full_disk_is_not_taken_for_the_network(place: Place) -> None:
    with converted_errors(), place.full().open("wb") as file:
        file.write(b"x")
