"""The OpenAPI document: complete, and true to itself."""

import json
from collections.abc import Iterator
from http import HTTPStatus

import pytest
from flask import Flask
from openapi_schema_validator import OAS31Validator
from openapi_spec_validator import validate

from shared.errors import catalogue
from shared.files import EXPORTS, FILES
from tests.conftest import SettingsMaker
from web import create_app
from web.problems import PROBLEM_JSON
from web.schemas import JobsQuerySchema

Json = dict[str, object]
METHODS = {"get", "post", "put", "patch", "delete"}


def members(value: object, *path: object) -> Json:
    """The object at this path."""
    for name in path:
        assert isinstance(value, dict), path
        value = value[name]
    assert isinstance(value, dict), path
    return value


def described(app: Flask) -> Json:
    return members(app.test_client().get("/openapi.json").get_json())


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> Json:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DATA_DIR", str(tmp_path_factory.mktemp("data")))
        return described(create_app())


def operations(document: Json) -> Iterator[tuple[str, Json]]:
    """Every call with its method and path."""
    for path, item in members(document, "paths").items():
        for method in METHODS & set(members(item)):
            yield f"{method.upper()} {path}", members(item, method)


def objects(value: object, at: str = "") -> Iterator[tuple[str, Json]]:
    """Every object in the document but what is an example, with its place."""
    if isinstance(value, dict):
        yield at, value
        for name, found in value.items():
            if name not in {"examples", "example"}:
                yield from objects(found, f"{at}/{name}")
    elif isinstance(value, list):
        for number, found in enumerate(value):
            yield from objects(found, f"{at}/{number}")


def resolved(document: Json, thing: Json) -> Json:
    ref = thing.get("$ref")
    return members(document, *str(ref).removeprefix("#/").split("/")) if ref else thing


def test_it_is_valid_openapi_3_1(document: Json) -> None:
    assert str(document["openapi"]).startswith("3.1.")
    validate(document)


def test_every_call_has_a_name_of_its_own(document: Json) -> None:
    names = [str(operation.get("operationId")) for _, operation in operations(document)]

    assert {"submitAnalysis", "getAnalysis", "getResults", "exportHighlights", "streamAnalysis"} <= set(names)
    assert len(names) == len(set(names))
    assert all(name.isidentifier() and name[0].islower() for name in names)


def test_every_body_has_an_example_that_its_schema_accepts(document: Json) -> None:
    checked = 0
    for name, operation in [*operations(document), *webhooks(document)]:
        bodies = [members(response) for response in members(operation, "responses").values()]
        bodies += [members(operation, "requestBody")] if "requestBody" in operation else []
        for body in bodies:
            for kind, media in members(body.get("content", {})).items():
                if kind in {"application/json", PROBLEM_JSON} and "$ref" in members(media, "schema"):
                    schema = {**members(media, "schema"), "components": document["components"]}
                    assert members(media, "examples"), (name, kind)
                    for example in members(media, "examples").values():
                        OAS31Validator(schema).validate(resolved(document, members(example))["value"])
                        checked += 1
    assert checked > 100


def webhooks(document: Json) -> Iterator[tuple[str, Json]]:
    for event, item in members(document, "webhooks").items():
        yield event, members(item, "post")


def test_every_webhook_is_described(document: Json) -> None:
    assert {event for event, _ in webhooks(document)} == {
        "job.started",
        "job.completed",
        "job.failed",
        "job.cancelled",
    }
    for _, operation in webhooks(document):
        schema = members(operation, "requestBody", "content", "application/json", "schema")
        assert schema == {"$ref": "#/components/schemas/Webhook"}


def test_nothing_is_a_bare_object_or_an_untyped_list(document: Json) -> None:
    for place, found in objects(document):
        if found.get("type") == "object":
            assert found.get("properties") or found.get("additionalProperties"), place
        if found.get("type") == "array":
            assert found.get("items"), place


def test_what_may_be_left_out_has_no_default_keyword(document: Json) -> None:
    # Generators make a member with a default one that is always there.
    assert [place for place, found in objects(document) if "default" in found and "type" in found] == []


def test_every_error_is_a_problem_with_an_example(document: Json) -> None:
    for name, operation in operations(document):
        for status, response in members(operation, "responses").items():
            if int(status) >= HTTPStatus.BAD_REQUEST:
                media = members(response, "content", PROBLEM_JSON)
                shown = [resolved(document, members(example)) for example in members(media, "examples").values()]
                codes = {members(example, "value")["code"] for example in shown}
                assert codes, name
                assert {catalogue()[str(code)].http_status for code in codes} == {int(status)}


def test_every_api_call_names_the_errors_of_its_kind(document: Json) -> None:
    for name, operation in operations(document):
        statuses = set(members(operation, "responses"))
        assert {"400", "414", "431", "500"} <= statuses, name
        if " /api/" in name:
            assert {"401", "429", "503"} <= statuses, name
        if "{job_id}" in name:
            assert "404" in statuses, name
        if "requestBody" in operation:
            assert {"413", "415", "422"} <= statuses, name


def test_a_new_job_links_to_every_call_about_it(document: Json) -> None:
    about = {str(found["operationId"]) for name, found in operations(document) if "{job_id}" in name}
    answers = members(document, "paths", "/api/v1/analysis", "post", "responses")

    for status in ("200", "202"):
        links = members(answers, status, "links")
        assert set(links) == about
        for name in about:
            link = resolved(document, members(links, name))
            assert (link["operationId"], members(link, "parameters")["job_id"]) == (name, "$response.body#/job_id")


def test_every_media_type_that_is_served_is_named(document: Json) -> None:
    job = "/api/v1/analysis/{job_id}"
    files = members(document, "paths", job + "/files/{name}", "get", "responses", "200", "content")
    exports = members(document, "paths", job + "/export/{format}", "get", "responses", "200", "content")

    assert set(files) >= {file.media_type.partition(";")[0] for file in FILES} | {"video/mp4", "image/jpeg"}
    assert set(exports) == {file.media_type.partition(";")[0] for file in EXPORTS.values()}
    assert "*/*" not in json.dumps(document)


def test_what_a_query_and_a_header_may_say_is_told_together(document: Json) -> None:
    parameters = members(document, "paths", "/api/v1/jobs", "get")["parameters"]

    assert isinstance(parameters, list)
    assert [parameter["name"] for parameter in parameters] == [*JobsQuerySchema().fields, "If-None-Match"]


def test_a_path_parameter_is_called_as_users_read_it(document: Json) -> None:
    parameters = members(document, "paths", "/api/v1/analysis/{job_id}/export/{format}")["parameters"]

    assert isinstance(parameters, list)
    assert [parameter["name"] for parameter in parameters] == ["job_id", "format"]
    assert parameters[1]["schema"]["enum"] == list(EXPORTS)


def test_the_stream_tells_the_schema_of_its_data(document: Json) -> None:
    stream = members(document, "paths", "/api/v1/analysis/{job_id}/stream", "get")

    schema = members(stream, "responses", "200", "content", "text/event-stream", "schema")
    assert schema["anyOf"] == [{"type": "string"}, {"$ref": "#/components/schemas/StreamEvent"}]
    data = members(document, "components", "schemas", "StreamEvent", "properties", "data")
    assert data["contentSchema"] == {"$ref": "#/components/schemas/JobEvent"}


@pytest.mark.parametrize(("keys", "is_open"), [({}, True), ({"API_KEYS": "ann:key-of-ann-0123456789"}, False)])
def test_a_key_is_optional_only_where_there_are_none(
    make_settings: SettingsMaker, keys: dict[str, str], *, is_open: bool
) -> None:
    document = described(create_app(make_settings(**keys)))

    assert document["security"] == ([{"key": []}, {}] if is_open else [{"key": []}])
    own = {name: operation["security"] for name, operation in operations(document) if "security" in operation}
    for name, security in own.items():
        assert security == ([{"key": []}, {"access_token": []}] if " /api/" in name else []), name
    assert ("GET /api/v1/analysis/{job_id}/stream" in own) is not is_open
