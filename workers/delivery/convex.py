"""Convex over its documented HTTP API.

The `convex` package's own client is a WebSocket that has no timeout and breaks after a fork, its HTTP client has no
timeout either; its value converters and its ConvexError are used here.
"""

import json
import re
import threading
from collections.abc import Mapping
from typing import Literal, cast

import requests
from convex.values import CoercibleToConvexValue, JsonValue, convex_to_json, json_to_convex
from urllib3.exceptions import HTTPError

from convex import ConvexError
from shared.errors import ExternalServiceError, KlipError, RateLimitExceeded
from shared.net.deadline import AnswerLimits, DeadlineAdapter, send_within
from shared.net.edges import asked_wait_s, status_error
from shared.net.egress import convert
from shared.redis.breaker import CallFor, unguarded

LIMITS = AnswerLimits(connect_s=3.05, silence_s=10.0, headers_s=15.0, total_s=20.0, max_bytes=2**20)
UNNAMED_WAIT_S = 10.0  # after a 429 that names no time
FUNCTION_FAILED = 560  # Convex' own status for a function that threw
_FIELD = re.compile(r"(?:field `|Path: \.)([A-Za-z0-9_.]+)")
_MISSING = re.compile(r"Could not find (public )?function")
_VALIDATOR = re.compile(r"(Argument|Returns)ValidationError|does not match the schema")


class FunctionFailed(Exception):
    """A Convex function threw."""


class FunctionMissing(FunctionFailed):
    """The deployment has no function of this name."""


class ValidatorRefused(FunctionFailed):
    """A validator of the deployment does not accept what was sent; `field` is its name where Convex tells."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        found = _FIELD.search(message)
        self.field = found[1] if found else None


class ConvexClient:
    """Calls functions of one deployment with its deploy key. May be used by several threads.

    limits: of each answer.  call_for: what a request goes through, such as a circuit breaker, by the job that it is
    about.
    """

    def __init__(
        self,
        url: str,
        deploy_key: str,
        *,
        limits: AnswerLimits = LIMITS,
        call_for: CallFor = lambda _job_id: unguarded,
    ) -> None:
        self._url, self._limits, self._call_for = url.rstrip("/"), limits, call_for
        self._headers = {"Authorization": f"Convex {deploy_key}", "Accept": "application/json"}
        self._local = threading.local()

    def query(self, path: str, args: Mapping[str, object]) -> object:
        """The value of a query. Raises as `mutation`."""
        return self._run("query", path, args)

    def mutation(self, path: str, args: Mapping[str, object]) -> object:
        """The value of a mutation such as `video:updateUrls`.

        Raises FunctionMissing, ValidatorRefused, FunctionFailed and convex.ConvexError when the deployment answered
        with an error; NetworkTimeout, ConnectionFailed, DnsResolutionFailed, RateLimitExceeded, ExternalServiceError
        and CircuitOpen when it did not answer.
        """
        return self._run("mutation", path, args)

    def _run(self, kind: Literal["query", "mutation"], path: str, args: Mapping[str, object]) -> object:
        body = {
            "path": path,
            "args": convex_to_json(cast("CoercibleToConvexValue", args)),
            "format": "convex_encoded_json",
        }
        call = self._call_for(str(args.get("jobId", path)))
        return _value(call(lambda: self._post(f"{self._url}/api/{kind}", body)))

    def _post(self, url: str, body: Mapping[str, object]) -> dict[str, object]:
        try:
            request = requests.Request("POST", url, json=body, headers=self._headers)
            # A redirect would take the deploy key elsewhere.
            response = send_within(self._limits, self._session(), request, redirects=False)
        except (OSError, HTTPError) as error:
            raise convert(error) from error
        return _answer(response)

    def _session(self) -> requests.Session:
        if not hasattr(self._local, "session"):
            session = self._local.session = requests.Session()
            session.trust_env = False
            for scheme in ("https://", "http://"):
                session.mount(scheme, DeadlineAdapter(connections=1))
        return cast("requests.Session", self._local.session)


def _answer(response: requests.Response) -> dict[str, object]:
    """The JSON object that Convex answered with. Raises what the status means."""
    if response.status_code not in {200, FUNCTION_FAILED}:
        raise _http_error(response)
    try:
        record = json.loads(response.content)
    except (ValueError, RecursionError):
        record = None
    if not isinstance(record, dict) or record.get("status") not in {"success", "error"}:
        raise ExternalServiceError("Convex answered with something that is not its protocol.")
    return record


def _http_error(response: requests.Response) -> KlipError:
    if response.status_code == 429 and asked_wait_s(response.headers) is None:
        return RateLimitExceeded(retry_after_s=UNNAMED_WAIT_S)
    if (error := status_error(response.status_code, response.headers, service="Convex")) is not None:
        return error
    if response.status_code in {401, 403}:
        return ExternalServiceError("Convex refused the deploy key.")
    return ExternalServiceError(f"Convex answered with status {response.status_code}.")


def _value(record: Mapping[str, object]) -> object:
    if record["status"] == "success":
        return json_to_convex(cast("JsonValue", record.get("value")))
    message = str(record.get("errorMessage", ""))
    if "errorData" in record:
        raise ConvexError(message, record["errorData"])
    if _MISSING.search(message):
        raise FunctionMissing(message)
    raise ValidatorRefused(message) if _VALIDATOR.search(message) else FunctionFailed(message)
