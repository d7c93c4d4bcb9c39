"""Puts the application together."""

from flask import Flask

from shared.settings import Settings
from web import (
    analysis,
    auth,
    batch,
    compression,
    deliveries,
    dependencies,
    feedback,
    files,
    headers,
    idempotency,
    limits,
    lists,
    metrics,
    openapi,
    ops,
    problems,
    stream,
    tokens,
    webhooks,
)
from web.concurrency_limit import ConcurrencyLimit
from web.pages import pages
from web.request_body import MAX_BODY_BYTES

BLUEPRINTS = (
    analysis.blp,
    batch.blp,
    lists.blp,
    stream.blp,
    files.blp,
    feedback.blp,
    deliveries.blp,
    tokens.blp,
    webhooks.blp,
    ops.blp,
)


def build_app(config: Settings) -> Flask:
    """The application, with everything registered."""
    app = Flask("web")
    app.config.update(MAX_CONTENT_LENGTH=MAX_BODY_BYTES + 1)
    openapi.configure(app, title="KlipStream", version=dependencies.version())
    app.json.sort_keys = False  # type: ignore[attr-defined] # the default provider has it
    app.url_map.strict_slashes = False
    own = dependencies.Dependencies(config)
    dependencies.install(app, own)
    # The order is that of the checks before a request: headers, metrics, limits, keys, idempotency.
    compression.register(app)
    headers.register(app, config)
    metrics.register(app, own)
    limits.register(app, config, own)
    auth.register(app)
    idempotency.register(app)
    openapi.register(app, BLUEPRINTS, config)
    app.register_blueprint(pages)
    problems.register(app)
    app.wsgi_app = ConcurrencyLimit(app.wsgi_app)  # type: ignore[method-assign] # Flask's documented place for middleware
    return app
