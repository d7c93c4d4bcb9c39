"""The HTTP side: the application factory. `gunicorn -c web/gunicorn.conf.py web:app`, `flask --app web COMMAND`."""

import sys
from functools import cache

from flask import Flask

from shared.settings import Settings, SettingsError, settings


def create_app(config: Settings | None = None) -> Flask:
    """The web application. Nothing connects to Redis before the first request that needs it."""
    # Imported here, so that importing a module of this package (web.client, say) stays cheap.
    from web.cli.commands import register
    from web.factory import build_app

    app = build_app(config or settings())
    register(app)
    return app


@cache
def _app() -> Flask:
    try:
        return create_app()
    except SettingsError as error:
        sys.exit(f"klipstream: {error}")


def __getattr__(name: str) -> Flask:
    # `web:app` is made when a server asks for it, not when somebody imports the package.
    if name == "app":
        return _app()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
