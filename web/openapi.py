"""The OpenAPI document: what calls have in common is said here once, what is its own stands at each call.

A call is a route with `operation` (its name, its own errors), `arguments` and `response`; see `web.calls`. Added to it
here: the errors that any call of its kind ends in, an example for each body (`web.examples`), its security, what the
parameters in its path mean, and links to it from a new job.
"""

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import cast

from apispec import APISpec, BasePlugin
from apispec.ext.marshmallow.openapi import OpenAPIConverter
from flask import Flask
from flask_smorest import Api, Blueprint
from marshmallow import fields
from werkzeug.routing import Rule

from shared.errors import (
    AddressTooLong,
    DatabaseError,
    HeadersTooLarge,
    IdempotencyKeyReused,
    IdempotentInProgress,
    InvalidRequest,
    JobNotFound,
    KlipError,
    MalformedRequest,
    RateLimitExceeded,
    RequestTooLarge,
    Unauthorized,
    UnclassifiedError,
    UnsupportedMediaType,
    catalogue,
)
from shared.settings import Settings
from web.answers import JobEventSchema, ProblemSchema, WebhookSchema
from web.auth import TOKEN_ENDPOINTS, TOKEN_PARAMETER
from web.calls import OWN_ERRORS
from web.choices import Choice
from web.conditional import OWN_PARAMETERS
from web.examples import ANSWERS, JOB_ID, REQUESTS, WEBHOOKS, example_problem
from web.idempotency import HEADER, MAX_KEY, ON_THEIR_OWN
from web.problems import PROBLEM_JSON

VERSION = "3.1.1"
Members = dict[str, object]
DESCRIPTION = """Ranked highlights from long streams. Submit a recording, follow its progress, fetch clips and data.
Errors are `application/problem+json`; every code is explained at [/docs/errors](/docs/errors)."""

OF_ANY_CALL = (MalformedRequest, AddressTooLong, HeadersTooLarge, UnclassifiedError)
OF_API_CALLS = (Unauthorized, RateLimitExceeded, DatabaseError)
OF_JOBS = (JobNotFound,)
OF_BODIES = (RequestTooLarge, UnsupportedMediaType, InvalidRequest)
OF_ARGUMENTS = (InvalidRequest,)
OF_POSTS = (InvalidRequest, IdempotencyKeyReused, IdempotentInProgress)

PATH_PARAMETERS: dict[str, Members] = {
    "job_id": {
        "description": "As the submission's answer has it.",
        "schema": {"type": "string", "minLength": 1, "maxLength": 64, "pattern": "^[A-Za-z0-9_-]+$"},
        "example": JOB_ID,
    },
    "delivery_id": {"description": "The webhook-id.", "example": f"msg_{JOB_ID}_1_completed"},
    "rank": {"description": "The highlight's, from 1.", "example": 1},
    "name": {
        "description": "As the manifest and the results have it; slashes may be sent as %2F.",
        "example": "words.csv",
    },
    "format": {"description": "What to export the highlights as.", "example": "srt"},
}
HEADERS: dict[str, Members] = {
    "RequestId": {
        "description": "The request's X-Request-ID, or one that was made: it stands in the server's log.",
        "schema": {"type": "string"},
    },
    "RateLimit": {"description": "What is left: `NAME;r=REQUESTS;t=SECONDS`.", "schema": {"type": "string"}},
    "RateLimitPolicy": {"description": "What is allowed: `NAME;q=REQUESTS;w=SECONDS`.", "schema": {"type": "string"}},
    "RetryAfter": {
        "description": "Seconds to wait before another try; with a problem that is retryable.",
        "schema": {"type": "integer", "minimum": 0},
    },
}

HEADERS_OF_API = {"X-Request-ID": "RequestId", "RateLimit": "RateLimit", "RateLimit-Policy": "RateLimitPolicy"}
IDEMPOTENCY_KEY: Members = {
    "in": "header",
    "name": HEADER,
    "description": "The same key and request give the same answer for 24 hours, and are carried out once.",
    "schema": {"type": "string", "minLength": 1, "maxLength": MAX_KEY},
}
TOKEN_SCHEME: Members = {
    "type": "apiKey",
    "in": "query",
    "name": TOKEN_PARAMETER,
    "description": "A token of the job (`makeToken`); for its stream and files also the key itself.",
}
# A server-sent event; the data is a JobEvent as JSON.
STREAM_EVENT: Members = {
    "type": "object",
    "properties": {
        "event": {"$ref": "#/components/schemas/EventName"},
        "data": {
            "type": "string",
            "contentMediaType": "application/json",
            "contentSchema": {"$ref": "#/components/schemas/JobEvent"},
        },
        "id": {"type": "string", "description": "For `Last-Event-ID`."},
        "retry": {"type": "integer", "description": "Milliseconds to wait before connecting again."},
    },
    "required": ["event", "data", "id"],
    "additionalProperties": False,
}


def _ref(kind: str, name: str) -> Members:
    return {"$ref": f"#/components/{kind}/{name}"}


def _part(of: Members, name: str) -> Members:
    """The object under this name, made when it is not there."""
    return cast("Members", of.setdefault(name, {}))


class Completion(BasePlugin):
    """Adds to each call what the calls of its kind have in common."""

    def __init__(self, *, has_keys: bool) -> None:
        self._has_keys = has_keys
        # The same object is under every answer that is a new job, so links of calls registered later show there too.
        self._links_of_jobs: Members = {}

    def init_spec(self, spec: APISpec) -> None:
        """Remember where components go."""
        self._components = spec.components

    def schema_helper(self, name: str, definition: Members, **given: object) -> Members | None:
        """Say how many members an object has at least, where its schema asks for some."""
        least = getattr(given.get("schema"), "LEAST_MEMBERS", None)
        return {"minProperties": least} if least else None

    def path_helper(
        self,
        path: str | None = None,
        operations: dict[str, Members] | None = None,
        parameters: list[Members] | None = None,
        **_: object,
    ) -> None:
        """Say what the parameters mean that stand in the path."""
        for parameter in parameters or ():
            parameter.update(PATH_PARAMETERS.get(str(parameter["name"]), {}))

    def operation_helper(
        self, path: str | None = None, operations: dict[str, Members] | None = None, **given: object
    ) -> None:
        """Complete the operations of one path; flask-smorest gives its `rule`."""
        rule = cast("Rule", given["rule"])
        is_api = rule.rule.startswith("/api/")
        for method, operation in (operations or {}).items():
            errors = [*_own_errors(operation), *_errors_of_kind(rule, operation)]
            responses = {str(status): response for status, response in _part(operation, "responses").items()}
            # flask-smorest's own for wrong arguments is a name in place of an object.
            answers = {status: cast("Members", found) for status, found in responses.items() if isinstance(found, dict)}
            operation["responses"] = problem_responses(errors) | answers
            for answer in cast("dict[str, Members]", operation["responses"]).values():
                _part(answer, "headers").update(HEADERS_OF_API if is_api else {"X-Request-ID": "RequestId"})
                _show_examples(_part(answer, "content") if "content" in answer else {}, ANSWERS)
            parameters = [*cast("list[Members]", operation.pop(OWN_PARAMETERS, []))]
            if _is_remembered(rule):
                parameters.append(IDEMPOTENCY_KEY)
            if parameters:
                cast("list[Members]", operation.setdefault("parameters", [])).extend(parameters)
            if "requestBody" in operation:
                _show_examples(_part(_part(operation, "requestBody"), "content"), REQUESTS)
            if not is_api:
                operation["security"] = []
            elif rule.endpoint in TOKEN_ENDPOINTS and self._has_keys:
                operation["security"] = [{"key": []}, {TOKEN_PARAMETER: []}]
            self._link(rule, method, operation, answers)

    def _link(self, rule: Rule, method: str, operation: Members, answers: Mapping[str, Members]) -> None:
        name = str(operation["operationId"])
        if "job_id" in rule.arguments:
            others = {argument: str(PATH_PARAMETERS[argument]["example"]) for argument in sorted(rule.arguments)}
            link = {
                "operationId": name,
                "description": operation["summary"],
                "parameters": others | {"job_id": "$response.body#/job_id"},
            }
            self._components.link(name, link)
            self._links_of_jobs[name] = _ref("links", name)
        if method == "post":
            for answer in answers.values():
                if _schema_name(_part(_part(answer, "content"), "application/json")) == "Job":
                    answer["links"] = self._links_of_jobs


def _is_remembered(rule: Rule) -> bool:
    """Whether web.idempotency keeps the call's answer."""
    return "POST" in (rule.methods or ()) and rule.rule.startswith("/api/") and rule.endpoint not in ON_THEIR_OWN


def _own_errors(operation: Members) -> list[type[KlipError]]:
    return [catalogue()[code] for code in cast("list[str]", operation.pop(OWN_ERRORS, []))]


def _errors_of_kind(rule: Rule, operation: Members) -> Iterable[type[KlipError]]:
    yield from OF_ANY_CALL
    if rule.rule.startswith("/api/"):
        yield from OF_API_CALLS
    if "job_id" in rule.arguments:
        yield from OF_JOBS
    if _is_remembered(rule):
        yield from OF_POSTS
    if "requestBody" in operation:
        yield from OF_BODIES
    elif str(HTTPStatus.UNPROCESSABLE_ENTITY.value) in map(str, _part(operation, "responses")):
        yield from OF_ARGUMENTS


def problem_responses(errors: Iterable[type[KlipError]]) -> dict[str, Members]:
    """By status: a problem, with an example for each of these errors that has the status."""
    by_status: dict[int, list[type[KlipError]]] = {}
    for error in dict.fromkeys(errors):
        by_status.setdefault(error.http_status, []).append(error)
    return {str(status): _problem_response(by_status[status]) for status in sorted(by_status)}


def _problem_response(errors: list[type[KlipError]]) -> Members:
    response: Members = {
        "description": " ".join(f"`{error.code}`: {error.title()}." for error in errors),
        "content": {
            PROBLEM_JSON: {
                "schema": _ref("schemas", "Problem"),
                "examples": {error.code: error.code for error in errors},
            }
        },
    }
    if any(error.retryable for error in errors):
        response["headers"] = {"Retry-After": "RetryAfter"}
    return response


def _schema_name(media: Members) -> str | None:
    schema = media.get("schema")
    ref = schema.get("$ref") if isinstance(schema, dict) else None
    return str(ref).rpartition("/")[2] if ref else None


def _show_examples(content: Members, examples: Mapping[str, Mapping[str, object]]) -> None:
    """Give each body its schema's examples, unless the call has chosen some."""
    for media in cast("Iterable[Members]", content.values()):
        name = _schema_name(media)
        if name is not None and name in examples and "examples" not in media:
            media["examples"] = {key: f"{name}.{key}" for key in examples[name]}


def told_default(_: object, field: fields.Field[object], ret: Members) -> Members:
    """A default in words: as a keyword it makes generators of clients take the member for one that is always sent."""
    default = ret.pop("default", None)
    if default is None:
        return {}
    said = str(default).lower() if isinstance(default, bool) else str(default)
    return {"description": f"{ret.get('description', '')} Default: `{said}`.".strip()}


def named_choice(converter: OpenAPIConverter, field: fields.Field[object], ret: Members) -> Members:
    """A choice by reference, and null beside it where that is allowed."""
    if not isinstance(field, Choice):
        return {}
    components = converter.spec.components
    if field.kind not in components.schemas:
        components.schema(field.kind, {"type": "string", "enum": field.choices})
    del ret["type"], ret["enum"]
    choice = _ref("schemas", field.kind)
    return {"anyOf": [choice, {"type": "null"}]} if field.allow_none else choice


def _webhooks() -> Members:
    signed = ("webhook-id", "webhook-timestamp", "webhook-signature")
    return {
        event: {
            "post": {
                "operationId": "on" + event.title().replace(".", ""),
                "summary": f"What is sent to `callback_url` as {event}.",
                "description": "Signed by the Standard Webhooks scheme.",
                "tags": ["webhooks"],
                "security": [],
                "parameters": [
                    {"in": "header", "name": name, "required": True, "schema": {"type": "string"}} for name in signed
                ],
                "requestBody": {
                    "required": True,
                    "content": {
                        "application/json": {
                            "schema": _ref("schemas", "Webhook"),
                            "examples": {event: {"value": example}},
                        }
                    },
                },
                "responses": {
                    "2XX": {"description": "The event was accepted."},
                    "410": {"description": "No more events of this job are wanted."},
                    "default": {"description": "The event is sent again later, for a day."},
                },
            }
        }
        for event, example in WEBHOOKS.items()
    }


def configure(app: Flask, *, title: str, version: str) -> None:
    """Where the document and its viewers are served."""
    app.config.update(
        API_TITLE=title,
        API_VERSION=version,
        OPENAPI_VERSION=VERSION,
        OPENAPI_URL_PREFIX="/",
        OPENAPI_JSON_PATH="openapi.json",
        # The pages come from web/templates, which go before flask-smorest's own: no inline script, our own assets.
        OPENAPI_SWAGGER_UI_PATH="/docs",
        OPENAPI_SWAGGER_UI_URL="/static/swagger-ui/",
        OPENAPI_REDOC_PATH="/redoc",
        OPENAPI_REDOC_URL="/static/redoc/redoc.standalone.js",
    )


def register(app: Flask, blueprints: Iterable[Blueprint], config: Settings) -> None:
    """Serve the calls of these blueprints, and the document that describes them."""
    api = Api(
        spec_kwargs={
            "info": {"description": DESCRIPTION, "license": {"name": "MIT", "identifier": "MIT"}},
            "servers": [{"url": "/", "description": "This server."}],
            "extra_plugins": [Completion(has_keys=bool(config.api_keys))],
        }
    )
    api.DEFAULT_ERROR_RESPONSE_NAME = None  # every error is listed under its own status
    api.init_app(app)
    for function in (told_default, named_choice):
        api.ma_plugin.converter.add_attribute_function(function)
    api.spec.components.schemas.clear()  # flask-smorest's own, for what is not used
    _register_components(api.spec)
    # Without keys nobody needs one.
    api.spec.options["security"] = [{"key": []}] if config.api_keys else [{"key": []}, {}]
    if config.api_keys:
        api.spec.components.security_scheme(TOKEN_PARAMETER, TOKEN_SCHEME)
    api.spec.options["webhooks"] = _webhooks()
    for blueprint in blueprints:
        api.register_blueprint(blueprint)


def _register_components(spec: APISpec) -> None:
    for name, schema in (("Problem", ProblemSchema), ("JobEvent", JobEventSchema), ("Webhook", WebhookSchema)):
        spec.components.schema(name, schema=schema)
    spec.components.schema("StreamEvent", STREAM_EVENT)
    for name, header in HEADERS.items():
        spec.components.header(name, header)
    for code, error in catalogue().items():
        spec.components.example(code, {"summary": error.title(), "value": example_problem(error)}, lazy=True)
    for name, examples in {**REQUESTS, **ANSWERS}.items():
        for key, value in examples.items():
            spec.components.example(f"{name}.{key}", {"value": value}, lazy=True)
    spec.components.security_scheme("key", {"type": "http", "scheme": "bearer", "description": "One of API_KEYS."})
