"""What operators see, on a real Valkey."""

import re
from functools import partial
from pathlib import Path

import httpx
import pytest
import redis
from jsonschema import ValidationError

from shared import jobs
from shared.errors import ConnectionFailed
from shared.jobs import utc_now
from shared.redis.breaker import CircuitBreaker
from shared.redis.pools import say_alive
from shared.stages import QUEUES, STAGES
from tests.conftest import running_valkey
from tests.described import Description
from tests.integration.conftest import Web, running_web


def metric(web: Web, name: str) -> float:
    found = re.search(rf"^{re.escape(name)} ([\d.e+-]+)$", web.http.get("/metrics").text, re.MULTILINE)
    assert found, name
    return float(found[1])


def test_a_stack_without_workers_is_alive_but_not_ready(web: Web) -> None:
    answer = web.http.get("/ready")

    assert web.http.get("/health").status_code == 200
    assert (answer.status_code, answer.json()["code"], answer.json()["ready"]) == (503, "SERVICE_UNAVAILABLE", False)
    parts = answer.json()["parts"]
    assert parts["redis"] == {"ok": True, "reason": None}
    assert parts["worker-analysis"] == {"ok": False, "reason": "No worker listens to the queue analysis."}


def test_with_a_worker_for_every_queue_it_is_ready(web: Web) -> None:
    say_alive(web.store.redis, worker="one", queues=list(QUEUES))

    answer = web.http.get("/ready")

    assert (answer.status_code, answer.json()["ready"]) == (200, True)
    assert all(part == {"ok": True, "reason": None} for part in answer.json()["parts"].values())


def test_queues_tell_what_waits_and_what_runs(web: Web) -> None:
    waiting, running = web.submit("file:a.mp4"), web.submit("file:b.mp4")
    web.store.change(running, partial(jobs.claim, stage=STAGES[0], attempt=1, holder="x", now=utc_now()))
    say_alive(web.store.redis, worker="one", queues=["download"])
    web.store.redis.hset("klip:seconds:download", mapping={"sum": "30", "count": "3"})
    web.store.redis.hset("klip:seconds:chat", mapping={"sum": "4", "count": "2"})

    queues = web.http.get("/api/v1/queues").json()["queues"]

    assert list(queues) == list(QUEUES)
    download = queues["download"]
    assert (download["waiting"], download["running"], download["workers"]) == (1, 1, 1)
    assert download["mean_seconds"] == 12.0
    assert download["oldest_wait_seconds"] >= 0
    assert queues["analysis"] == {
        "waiting": 0,
        "running": 0,
        "oldest_wait_seconds": None,
        "workers": 0,
        "mean_seconds": None,
    }
    assert web.store.get(waiting).waiting_since


def test_metrics_count_jobs_queues_and_requests(web: Web) -> None:
    web.submit("file:a.mp4")
    web.http.delete(f"/api/v1/analysis/{web.submit('file:b.mp4')}")
    web.http.get("/api/v1/errors")

    assert metric(web, 'klip_jobs{status="queued"}') == 1
    assert metric(web, 'klip_jobs{status="cancelled"}') == 1
    assert metric(web, 'klip_queue_waiting{queue="download"}') == 1
    assert metric(web, "klip_redis_up") == 1
    assert metric(web, 'klip_http_requests_total{endpoint="ops.errors",method="GET",status="200"}') >= 1


def _fail() -> None:
    raise ConnectionFailed


def test_reliability_lists_retries_and_breakers(web: Web) -> None:
    web.store.redis.hset("klip:retries", mapping={"twitch": 3, "deepgram": 1})
    for number in range(5):
        with pytest.raises(ConnectionFailed):
            CircuitBreaker(web.store.redis, "deepgram", about=f"job{number}")(_fail)

    answer = web.http.get("/api/v1/reliability").json()

    assert answer["retries"] == {"deepgram": 1, "twitch": 3}
    assert list(answer["breakers"]) == ["deepgram"]
    told = answer["breakers"]["deepgram"]
    assert (told["state"], told["failures"], told["failing"], told["openings"]) == ("open", 5, 5, 1)
    assert told["opened_at"].endswith("Z")


def breaker_metrics(web: Web, service: str) -> dict[str, float]:
    """The breaker's figures without the prefix; `state` stands for the one state that is 1."""
    pattern = rf'^klip_breaker_(\w+){{service="{service}"(?:,state="([\w-]+)")?}} ([\d.]+)$'
    found = re.findall(pattern, web.http.get("/metrics").text, re.MULTILINE)
    return {name if name != "state" else state: float(value) for name, state, value in found}


def test_metrics_count_retries_by_stage_and_reason(web: Web) -> None:
    web.store.redis.hset("klip:retries", mapping={"download:NETWORK_TIMEOUT": 3, "chat:RATE_LIMIT_EXCEEDED": 1})

    assert metric(web, 'klip_retries_total{code="NETWORK_TIMEOUT",stage="download"}') == 3
    assert metric(web, 'klip_retries_total{code="RATE_LIMIT_EXCEEDED",stage="chat"}') == 1


def test_metrics_follow_a_breaker_that_opens_and_closes(web: Web) -> None:
    # Given a service that failed for five jobs, the fifth of which opened its breaker
    for number in range(5):
        with pytest.raises(ConnectionFailed):
            CircuitBreaker(web.store.redis, "deepgram", about=f"job{number}")(_fail)

    # Then it is told as open
    told = breaker_metrics(web, "deepgram")
    assert (told["open"], told["closed"], told["failures"], told["openings_total"]) == (1, 0, 5, 1)

    # And as closed once the service has answered again; the opening stays counted
    CircuitBreaker(web.store.redis, "deepgram", about="another", reset_s=0.001)(lambda: None)
    told = breaker_metrics(web, "deepgram")
    assert (told["open"], told["closed"], told["failures"], told["openings_total"]) == (0, 1, 0, 1)


def test_a_job_tells_what_was_tried_again_and_why(web: Web) -> None:
    job_id = web.submit()
    job = web.store.change(job_id, partial(jobs.claim, stage=STAGES[0], attempt=1, holder="x", now=utc_now()))
    put_back = partial(jobs.put_back, token=job.token, error=ConnectionFailed("Gone."), delay_s=1, now=utc_now())
    moment = web.store.change(job_id, put_back).updated_at

    (told,) = web.http.get(f"/api/v1/analysis/{job_id}").json()["retries"]

    assert (told["stage"], told["attempt"], told["code"]) == ("download", 1, "CONNECTION_FAILED")
    assert (told["detail"], told["at"]) == ("Gone.", moment)


def test_when_redis_goes_away_each_answer_says_so(tmp_path: Path) -> None:
    with running_valkey(tmp_path / "valkey") as redis_url, running_web(tmp_path / "web", redis_url) as url:
        assert httpx.get(f"{url}/api/v1/jobs").status_code == 200
        assert "klip_redis_up 1.0" in httpx.get(f"{url}/metrics").text
        with redis.Redis.from_url(redis_url) as client:
            client.shutdown(nosave=True)

        submitted = httpx.post(f"{url}/api/v1/analysis", json={"url": "1"}, timeout=60)
        listed = httpx.get(f"{url}/api/v1/jobs", timeout=60)
        ready = httpx.get(f"{url}/ready", timeout=60)
        metrics = httpx.get(f"{url}/metrics", timeout=60)

    assert [answer.status_code for answer in (submitted, listed, ready)] == [503, 503, 503]
    assert submitted.json()["code"] == "DATABASE_ERROR"
    assert ready.json()["parts"]["redis"]["ok"] is False
    assert "klip_redis_up 0.0" in metrics.text


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/analysis/{job_id}",
        "/api/v1/analysis/{job_id}/status",
        "/api/v1/jobs",
        "/api/v1/queues",
        "/api/v1/reliability",
        "/api/v1/errors",
    ],
)
@pytest.mark.parametrize("state", ["queued", "failed"])
def test_answers_are_as_described_in_full(web: Web, path: str, state: str) -> None:
    job_id = web.submit()
    if state == "failed":
        claim = partial(jobs.claim, stage=STAGES[0], attempt=1, holder="x", now=utc_now())
        job = web.store.change(job_id, claim)
        web.store.change(
            job_id, partial(jobs.put_back, token=job.token, error=ConnectionFailed(), delay_s=0, now=utc_now())
        )
        job = web.store.change(job_id, claim)
        web.store.change(job_id, partial(jobs.fail, token=job.token, error=ConnectionFailed(), now=utc_now()))

    Description(web.http).check_answer(path, web.http.get(path.format(job_id=job_id)))


def test_what_is_not_described_or_missing_would_be_noticed(web: Web) -> None:
    job = web.http.get(f"/api/v1/analysis/{web.submit()}").json()
    description = Description(web.http)

    description.check("Job", job)
    for wrong in (job | {"surprise": 1}, {name: value for name, value in job.items() if name != "links"}):
        with pytest.raises(ValidationError):
            description.check("Job", wrong)
