"""Puts the application together."""

from flask import Flask
from flask_smorest import Api

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
    ops,
    problems,
    stream,
    tokens,
    webhooks,
)
from web.answers import EventSchema, ProblemSchema
from web.concurrency_limit import ConcurrencyLimit
from web.pages import pages
from web.problems import PROBLEM_JSON
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
    app.config.update(
        MAX_CONTENT_LENGTH=MAX_BODY_BYTES + 1,
        API_TITLE="KlipStream",
        API_VERSION=dependencies.version(),
        OPENAPI_VERSION="3.0.3",
        OPENAPI_URL_PREFIX="/",
        OPENAPI_JSON_PATH="openapi.json",
        # The pages come from web/templates, which go before flask-smorest's own: no inline script, our own assets.
        OPENAPI_SWAGGER_UI_PATH="/docs",
        OPENAPI_SWAGGER_UI_URL="/static/swagger-ui/",
        OPENAPI_REDOC_PATH="/redoc",
        OPENAPI_REDOC_URL="/static/redoc/redoc.standalone.js",
    )
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
    _register_api(app)
    app.register_blueprint(pages)
    problems.register(app)
    app.wsgi_app = ConcurrencyLimit(app.wsgi_app)  # type: ignore[method-assign] # Flask's documented place for middleware
    return app


def _register_api(app: Flask) -> None:
    api = Api(spec_kwargs={"info": {"description": _DESCRIPTION, "license": {"name": "MIT"}}})
    api.ERROR_SCHEMA = ProblemSchema
    # flask-smorest knows one content type; what it registers when it is set up are the errors.
    api.DEFAULT_RESPONSE_CONTENT_TYPE = PROBLEM_JSON
    api.init_app(app)
    api.DEFAULT_RESPONSE_CONTENT_TYPE = "application/json"
    api.spec.components.schema("Event", schema=EventSchema)
    api.spec.components.security_scheme("key", {"type": "http", "scheme": "bearer"})
    api.spec.options["security"] = [{"key": []}, {}]
    for blueprint in BLUEPRINTS:
        api.register_blueprint(blueprint)


_DESCRIPTION = """Ranked highlights from long streams. Submit a recording, follow its progress, fetch clips and data.
Errors are `application/problem+json`; every code is explained at [/docs/errors](/docs/errors)."""
