"""The pages and addresses that are not the API: /, /docs, /redoc, /docs/errors, /console."""

from pathlib import Path

from flask import Blueprint, Response, jsonify, redirect, render_template, request, send_from_directory, url_for
from werkzeug.wrappers import Response as AnyResponse

from web.dependencies import version
from web.ops import error_entries

CONSOLE = Path(__file__).resolve().parent / "console"
CLIENT = Path(__file__).resolve().parent.parent / "clients" / "js"
LINKS = {
    "console": "/console",
    "docs": "/docs",
    "redoc": "/redoc",
    "openapi": "/openapi.json",
    "errors": "/docs/errors",
    "health": "/health",
    "ready": "/ready",
    "metrics": "/metrics",
    "analysis": "/api/v1/analysis",
    "jobs": "/api/v1/jobs",
}
pages = Blueprint("pages", __name__)


@pages.get("/")
def index() -> AnyResponse:
    if request.accept_mimetypes.best_match(["application/json", "text/html"]) == "text/html":
        return redirect(url_for("pages.console"))
    return jsonify(name="KlipStream", version=version(), links=LINKS)


@pages.get("/docs/errors")
def errors() -> str:
    return render_template("errors.html", errors=error_entries())


@pages.get("/console")
def console() -> Response:
    return _console_file("index.html")


@pages.get("/console/<any('console.js', 'console.css', 'icon.svg'):name>")
def console_asset(name: str) -> Response:
    return _console_file(name)


@pages.get("/console/klipstream.js")
def client() -> Response:
    """The JavaScript client as it is published: the console is a user of it."""
    return send_from_directory(CLIENT, "klipstream.js", max_age=0)


@pages.get("/favicon.ico")
def favicon() -> Response:
    return _console_file("icon.svg")


def _console_file(name: str) -> Response:
    return send_from_directory(CONSOLE, name, max_age=0)
