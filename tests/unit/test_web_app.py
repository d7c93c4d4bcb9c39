"""The application without a database: pages, headers, and errors in one form."""

import re

import pytest
from flask import Flask
from flask.testing import FlaskClient

from shared.errors import catalogue
from tests.conftest import ROOT, SettingsMaker
from web import create_app

MEMBERS = {
    "type",
    "title",
    "status",
    "detail",
    "instance",
    "code",
    "error_type",
    "retryable",
    "retry_after_seconds",
    "suggested_action",
    "support_reference",
}


@pytest.fixture
def app(make_settings: SettingsMaker) -> Flask:
    return create_app(make_settings())


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


# --- pages ------------------------------------------------------------------------------------------------------------


def test_a_program_is_told_where_everything_is(client: FlaskClient) -> None:
    answer = client.get("/").get_json()

    assert answer["name"] == "KlipStream"
    assert re.fullmatch(r"\d+\.\d+\.\d+", answer["version"])
    assert all(client.get(path, buffered=True).status_code != 404 for path in answer["links"].values())


def test_a_browser_is_sent_to_the_console(client: FlaskClient) -> None:
    answer = client.get("/", headers={"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"})

    assert (answer.status_code, answer.headers["Location"]) == (302, "/console")


def test_the_description_knows_every_address(app: Flask, client: FlaskClient) -> None:
    description = client.get("/openapi.json").get_json()

    served = {re.sub(r"<(?:[^:>]+:)?(\w+)>", r"{\1}", rule.rule) for rule in app.url_map.iter_rules()}
    assert set(description["paths"]) == {path for path in served if path.startswith("/api/")} | {"/health", "/ready"}


@pytest.mark.parametrize("page", ["/docs", "/redoc", "/docs/errors", "/console"])
def test_a_page_and_what_it_loads_come_from_us(client: FlaskClient, page: str) -> None:
    answer = client.get(page, buffered=True)

    loaded = re.findall(r"""<(?:script|link|img)\b[^>]*?(?:src|href)="([^"]+)""", answer.text)
    assert answer.status_code == 200
    assert loaded
    for address in loaded:
        assert address.startswith("/")
        assert client.get(address, buffered=True).status_code == 200, address


@pytest.mark.parametrize("name", ["swagger-ui/swagger-ui-bundle.js", "redoc/redoc.standalone.js"])
def test_the_viewers_ask_no_other_host(name: str) -> None:
    text = (ROOT / "web" / "static" / name).read_text()

    assert not re.search(r"cdn\.|validator\.swagger\.io/validator|fonts\.googleapis|unpkg|jsdelivr", text)


def test_every_error_has_its_place_on_the_errors_page(client: FlaskClient) -> None:
    page = client.get("/docs/errors").text
    listed = client.get("/api/v1/errors").get_json()["errors"]

    assert [error["code"] for error in listed] == list(catalogue())
    assert all(f'id="{code}"' in page for code in catalogue())


# --- headers ----------------------------------------------------------------------------------------------------------


def test_the_request_id_is_echoed(client: FlaskClient) -> None:
    assert client.get("/health", headers={"X-Request-ID": "abc-123"}).headers["X-Request-ID"] == "abc-123"


@pytest.mark.parametrize(("sent", "echoed"), [("a b\tc<script>", "abcscript"), ("x" * 500, "x" * 128)])
def test_an_odd_request_id_is_cleaned(client: FlaskClient, sent: str, echoed: str) -> None:
    assert client.get("/health", headers={"X-Request-ID": sent}).headers["X-Request-ID"] == echoed


def test_a_request_without_an_id_gets_one(client: FlaskClient) -> None:
    first, second = (client.get("/health").headers["X-Request-ID"] for _ in range(2))

    assert first
    assert first != second


def test_answers_carry_security_headers(client: FlaskClient) -> None:
    headers = client.get("/console", buffered=True).headers

    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["X-Frame-Options"] == "DENY"
    assert "default-src 'self'" in headers["Content-Security-Policy"]
    assert "script-src" not in headers["Content-Security-Policy"]


def test_only_listed_origins_may_call_from_a_page(make_settings: SettingsMaker) -> None:
    client = create_app(
        make_settings(CORS_ORIGINS="https://app.example", API_KEYS="a:secret-key-of-a-is-long")
    ).test_client()
    preflight = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}

    allowed = client.options("/api/v1/analysis", headers={"Origin": "https://app.example", **preflight})
    refused = client.options("/api/v1/analysis", headers={"Origin": "https://evil.example", **preflight})
    answer = client.get(
        "/api/v1/errors", headers={"Origin": "https://app.example", "Authorization": "Bearer secret-key-of-a-is-long"}
    )

    assert allowed.status_code == 200
    assert allowed.headers["Access-Control-Allow-Origin"] == "https://app.example"
    assert "authorization" in allowed.headers["Access-Control-Allow-Headers"].lower()
    assert "Access-Control-Allow-Origin" not in refused.headers
    exposed = answer.headers["Access-Control-Expose-Headers"]
    assert all(name in exposed for name in ("Location", "X-Request-ID", "ETag", "Retry-After"))


# --- errors -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "body", "kind", "status", "code"),
    [
        ("GET", "/nope", b"", "", 404, "NOT_FOUND"),
        ("GET", "/api/v1/analysis/x/export/docx", b"", "", 404, "NOT_FOUND"),
        ("PUT", "/api/v1/analysis", b"", "", 405, "METHOD_NOT_ALLOWED"),
        ("POST", "/api/v1/analysis", b"url=1", "application/x-www-form-urlencoded", 415, "UNSUPPORTED_MEDIA_TYPE"),
        ("POST", "/api/v1/analysis", b"{", "application/json", 400, "MALFORMED_REQUEST"),
        ("POST", "/api/v1/analysis", b"[]", "application/json", 400, "MALFORMED_REQUEST"),
        ("POST", "/api/v1/analysis", b"{}", "application/json", 422, "INVALID_REQUEST"),
        ("POST", "/api/v1/analysis", b'{"url": "x"}', "application/json", 422, "INVALID_TWITCH_URL"),
        ("POST", "/api/v1/analysis", b" " * 70_000, "application/json", 413, "REQUEST_TOO_LARGE"),
        ("GET", "/api/v1/jobs?limit=1000", b"", "", 422, "INVALID_REQUEST"),
        ("GET", "/api/v1/jobs?status=sleeping", b"", "", 422, "INVALID_REQUEST"),
        ("GET", "/api/v1/jobs", b"", "", 503, "DATABASE_ERROR"),
        ("GET", "/api/v1/analysis/..", b"", "", 404, "JOB_NOT_FOUND"),
        ("GET", "/ready", b"", "", 503, "SERVICE_UNAVAILABLE"),
    ],
)
def test_every_error_is_a_problem(
    client: FlaskClient, method: str, path: str, body: bytes, kind: str, status: int, code: str
) -> None:
    answer = client.open(path, method=method, data=body, content_type=kind or None)

    problem = answer.get_json()
    assert (answer.status_code, problem["code"], problem["status"]) == (status, code, status)
    assert answer.content_type == "application/problem+json"
    assert set(problem) >= MEMBERS
    assert problem["type"] == f"/docs/errors#{code}"
    assert re.fullmatch(r"ERR-\d{8}-[0-9A-F]{8}", problem["support_reference"])
    assert ("Retry-After" in answer.headers) == problem["retryable"]


def test_a_refused_method_says_which_are_allowed(client: FlaskClient) -> None:
    assert "POST" in client.put("/api/v1/analysis").headers["Allow"]


def test_validation_names_the_fields(client: FlaskClient) -> None:
    answer = client.post("/api/v1/analysis", json={"options": {"highlights": 99}, "urll": "1"})

    assert set(answer.get_json()["errors"]) == {"url", "urll", "options.highlights"}


def test_an_unforeseen_failure_shows_nothing_of_itself(
    app: Flask, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> str:
        raise RuntimeError("password=hunter2 at /srv/secret")

    app.add_url_rule("/fail", view_func=fail)

    answer = app.test_client().get("/fail")

    assert answer.status_code == 500
    assert answer.get_json()["code"] == "UNCLASSIFIED_ERROR"
    assert "hunter2" not in answer.text
    logged = capsys.readouterr().out + caplog.text
    assert answer.get_json()["support_reference"] in logged
    assert "hunter2" in logged
