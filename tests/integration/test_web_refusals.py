"""What the server refuses before there is a request: a problem like any other."""

import socket

import httpx
import pytest

from tests.integration.conftest import Web


@pytest.mark.parametrize(
    ("path", "headers", "status", "code"),
    [
        ("/api/v1/jobs?video_id=" + "x" * 5000, {}, 414, "ADDRESS_TOO_LONG"),
        ("/api/v1/jobs", {"Idempotency-Key": "x" * 9000}, 431, "HEADERS_TOO_LARGE"),
        ("/api/v1/jobs", {f"X-{number}": "x" for number in range(80)}, 431, "HEADERS_TOO_LARGE"),
    ],
)
def test_what_is_too_long_is_a_problem(web: Web, path: str, headers: dict[str, str], status: int, code: str) -> None:
    answer = httpx.get(web.url + path, headers=headers)

    assert (answer.status_code, answer.json()["code"], answer.json()["status"]) == (status, code, status)
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["X-Request-ID"]


def test_what_is_no_http_is_a_problem(web: Web) -> None:
    address = httpx.URL(web.url)
    with socket.create_connection((address.host, address.port or 80), timeout=10) as connection:
        connection.sendall(b"what is this\r\n\r\n")
        answer = b"".join(iter(lambda: connection.recv(65536), b""))

    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert b"MALFORMED_REQUEST" in body
    assert web.http.get("/health").is_success
