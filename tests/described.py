"""Answers held against the OpenAPI document: every member described, none left out."""

from typing import Any

import httpx
from openapi_schema_validator import OAS31Validator


class Description:
    """The OpenAPI document of a running server."""

    def __init__(self, http: httpx.Client) -> None:
        self._document: dict[str, Any] = http.get("/openapi.json").raise_for_status().json()

    def check_answer(self, path: str, answer: httpx.Response) -> None:
        """`path` as the document writes it. Raises ValidationError, KeyError when nothing describes the answer."""
        operation = self._document["paths"][path][answer.request.method.lower()]
        content = operation["responses"][str(answer.status_code)]["content"]
        self._check(content["application/json"]["schema"], answer.json())

    def check(self, name: str, value: object) -> None:
        """Hold a value against the component of this name. Raises ValidationError."""
        self._check({"$ref": f"#/components/schemas/{name}"}, value)

    def _check(self, schema: dict[str, Any], value: object) -> None:
        OAS31Validator(schema | {"components": self._document["components"]}).validate(value)
