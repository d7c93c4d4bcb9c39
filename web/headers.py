"""What every request and answer carries: an id, security headers, CORS."""

import re
import secrets
import socket
from typing import cast

import structlog
from flask import Flask, Response, g, request
from flask_cors import CORS
from flask_talisman import Talisman

from shared.settings import Settings

REQUEST_ID = "X-Request-ID"
RATE_LIMIT_HEADERS = ("RateLimit", "RateLimit-Policy", "RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset")
EXPOSED = [
    "Location",
    REQUEST_ID,
    "ETag",
    "Retry-After",
    "Content-Range",
    "Content-Disposition",
    *RATE_LIMIT_HEADERS,
]
# A client that neither reads nor sends for this long is dropped. The stream sets its own, shorter time.
SOCKET_TIMEOUT_S = 60.0


def _begin() -> None:
    asked = re.sub(r"[^A-Za-z0-9._:/+=@-]", "", request.headers.get(REQUEST_ID, ""))[:128]
    g.request_id = asked or secrets.token_hex(16)
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(request_id=g.request_id)
    set_socket_timeout(SOCKET_TIMEOUT_S)


def _end(response: Response) -> Response:
    response.headers[REQUEST_ID] = g.get("request_id") or secrets.token_hex(16)
    return response


def client_socket() -> socket.socket | None:
    """The connection to the client, where the server (gunicorn) hands it out."""
    return cast("socket.socket | None", request.environ.get("gunicorn.socket"))


def set_socket_timeout(seconds: float) -> None:
    """How long the client's connection may stand still."""
    if connection := client_socket():
        connection.settimeout(seconds)


def content_security_policy(config: Settings) -> dict[str, str]:
    """Everything from ourselves; with files in a bucket also pictures and clips from where its signed URLs lead."""
    cloud = " https://storage.googleapis.com" if config.artifacts_url.startswith("gs://") else ""
    return {
        "default-src": "'self'",
        "img-src": f"'self' data:{cloud}",
        "media-src": f"'self'{cloud}",
        # Swagger UI and Redoc put styles into elements, and Redoc's search runs in a worker made from a blob.
        "style-src": "'self' 'unsafe-inline'",
        "worker-src": "'self' blob:",
        "object-src": "'none'",
        "base-uri": "'none'",
        "form-action": "'self'",
        "frame-ancestors": "'none'",
    }


# For files that come from a recording or its chat: whatever is in them, nothing of it runs.
FILE_POLICY = {
    "default-src": "'none'",
    "style-src": "'unsafe-inline'",
    "img-src": "'self' data:",
    "media-src": "'self'",
    "sandbox": "",
}


def register(app: Flask, config: Settings) -> None:
    """Give every answer its security headers and request id."""
    app.before_request(_begin)
    app.after_request(_end)
    Talisman(
        app,
        # TLS ends at a proxy in front of us, where there is one.
        force_https=False,
        session_cookie_secure=False,
        frame_options="DENY",
        referrer_policy="no-referrer",
        content_security_policy=content_security_policy(config),
    )
    if config.cors_origins:
        CORS(
            app,
            resources={r"/(api/.*|openapi\.json|health|ready)": {"origins": list(config.cors_origins)}},
            expose_headers=EXPOSED,
            methods=["GET", "HEAD", "POST", "PATCH", "DELETE", "OPTIONS"],
            max_age=600,
        )
