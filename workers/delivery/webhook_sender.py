"""Posting events to the receivers that users named, signed by the Standard Webhooks scheme.

Source: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import json
import time
from datetime import UTC, datetime
from typing import NamedTuple

import requests
from standardwebhooks import Webhook
from urllib3.exceptions import HTTPError

from shared.errors import KlipError
from shared.jobs import Job
from shared.net.deadline import AnswerLimits, send_within
from shared.net.egress import Egress, any_host, convert, restricted_session
from shared.net.retry import parse_retry_after
from shared.records import Results
from shared.representations import API, job_view

TIMEOUT_S = 10.0  # for all of it, from the connection to the answer
MAX_ANSWER_BYTES = 4096
KEPT_ANSWER = 200  # characters shown to the owner of the job
# Ten tries: at once, and after each of these waits (s); the last one is a day after the first.
WAITS_S = (5, 300, 1800, 3600, 7200, 10_800, 14_400, 21_600, 26_695)
GONE = 410


class Answer(NamedTuple):
    """What came of one try. status: None when there was no answer; then error says why."""

    status: int | None
    text: str
    error: str | None
    seconds: float
    retry_after_s: float | None = None

    @property
    def is_accepted(self) -> bool:
        """Whether the receiver answered 2xx."""
        return self.status is not None and 200 <= self.status < 300


def payload(event: str, job: Job, *, created_at: str, base_url: str) -> str:
    """The body of an event, the same text each time. Links into the API are absolute."""
    data = job_view(job, base_url=base_url)
    data["results"] = _absolute(job.results, base_url) if job.results else None
    record = {"type": event, "timestamp": created_at, "data": data}
    return json.dumps(record, ensure_ascii=False, separators=(",", ":"))


def ping_payload(now: str) -> str:
    """The body of an event that only tries the receiver."""
    return json.dumps({"type": "ping", "timestamp": now, "data": {}}, separators=(",", ":"))


def _absolute(results: Results, base_url: str) -> dict[str, object]:
    return {
        name: base_url + value if isinstance(value, str) and value.startswith(API) else value
        for name, value in results.as_dict().items()
    }


class WebhookSender:
    """Posts to one receiver at a time in each thread.

    secrets: each signs.  private_hosts: `host:port` that may be private and plain http.
    """

    def __init__(
        self, secrets: tuple[str, ...], *, private_hosts: frozenset[str], timeout_s: float = TIMEOUT_S
    ) -> None:
        self._signers = [Webhook(secret) for secret in secrets]
        self._egress = Egress(allowed=any_host, private=private_hosts)
        self._limits = AnswerLimits(connect_s=timeout_s, silence_s=timeout_s, headers_s=timeout_s, total_s=timeout_s)

    def post(self, url: str, *, event_id: str, body: str) -> Answer:
        """Try once. The address is checked anew, redirects are not followed, nothing is raised."""
        began = time.monotonic()
        try:
            status, text, retry_after_s = self._post(url, event_id, body)
        except KlipError as error:
            return Answer(None, "", error.detail, round(time.monotonic() - began, 3))
        return Answer(status, text, None, round(time.monotonic() - began, 3), retry_after_s)

    def _post(self, url: str, event_id: str, body: str) -> tuple[int, str, float | None]:
        request = requests.Request("POST", url, data=body.encode(), headers=self._headers(event_id, body))
        try:
            with (
                restricted_session(self._egress, connections=1) as session,
                send_within(self._limits, session, request, stream=True, redirects=False) as response,
            ):
                answer = response.raw.read(MAX_ANSWER_BYTES, decode_content=True)
        except (OSError, HTTPError) as error:
            raise convert(error) from error
        retry_after_s = parse_retry_after(response.headers.get("Retry-After"))
        return response.status_code, _readable(answer), retry_after_s

    def _headers(self, event_id: str, body: str) -> dict[str, str]:
        now = datetime.now(UTC)
        return {
            "Content-Type": "application/json",
            "User-Agent": "KlipStream-Webhooks",
            "webhook-id": event_id,
            "webhook-timestamp": str(int(now.timestamp())),
            # A receiver takes any that it knows: so a secret can be changed without an event lost.
            "webhook-signature": " ".join(signer.sign(event_id, now, body) for signer in self._signers),
        }


def _readable(answer: bytes) -> str:
    text = answer.decode("utf-8", errors="replace")
    return "".join(letter if letter.isprintable() else " " for letter in text)[:KEPT_ANSWER].strip()
