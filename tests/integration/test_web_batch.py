"""Several submissions at once over HTTP."""

from typing import Any

import httpx
import pytest

from tests.described import Description
from tests.integration.conftest import Web


def post(web: Web, *items: Any, **headers: str) -> httpx.Response:
    return web.http.post("/api/v1/analyses", json={"analyses": items}, headers=headers)


def answers(answer: httpx.Response) -> list[dict[str, Any]]:
    assert answer.status_code == 207, answer.text
    found: list[dict[str, Any]] = answer.json()["analyses"]
    return found


def test_each_submission_is_answered_on_its_own(web: Web) -> None:
    answer = post(
        web, {"url": "1"}, {"url": "https://clips.twitch.tv/x"}, {"url": "1"}, 7, {"url": "2", "options": {"video": 1}}
    )

    found = answers(answer)
    assert [one["status"] for one in found] == [202, 422, 200, 422, 422]
    assert found[0]["location"] == f"/api/v1/analysis/{found[0]['job']['job_id']}"
    assert found[2]["job"]["job_id"] == found[0]["job"]["job_id"]
    assert [one["error"]["code"] for one in found if one["error"]] == [
        "INVALID_TWITCH_URL",
        "INVALID_REQUEST",
        "INVALID_REQUEST",
    ]
    assert list(found[4]["error"]["errors"]) == ["options.video"]
    assert all((one["job"] is None) == (one["location"] is None) == (one["error"] is not None) for one in found)
    assert web.store.redis.llen("download") == 1
    Description(web.http).check_answer("/api/v1/analyses", answer)


def test_each_has_its_own_idempotency(web: Web) -> None:
    first = answers(post(web, {"url": "1", "idempotency_key": "a"}, {"url": "2"}))
    web.http.post(f"{first[0]['location']}/cancel")

    again = answers(
        post(
            web, {"url": "1", "idempotency_key": "a"}, {"url": "3", "idempotency_key": "a"}, {"url": "1", "force": True}
        )
    )

    assert [one["status"] for one in again] == [200, 422, 202]
    assert again[0]["job"]["job_id"] == first[0]["job"]["job_id"]
    assert again[1]["error"]["code"] == "IDEMPOTENCY_KEY_REUSED"


def test_the_whole_request_may_be_sent_again(web: Web) -> None:
    items = [{"url": "1", "force": True}, {"url": "1", "force": True}]
    first = answers(post(web, *items, **{"Idempotency-Key": "all"}))

    again = answers(post(web, *items, **{"Idempotency-Key": "all"}))

    assert [one["status"] for one in first + again] == [202, 202, 200, 200]
    assert [one["job"]["job_id"] for one in first] == [one["job"]["job_id"] for one in again]


def test_a_hundred_long_ones_fit(web: Web) -> None:
    items = [{"url": str(number + 1), "metadata": {str(key): "x" * 500 for key in range(15)}} for number in range(100)]

    assert {one["status"] for one in answers(post(web, *items))} == {202}


@pytest.mark.parametrize("body", [{}, {"analyses": []}, {"analyses": [{"url": "1"}] * 101}, {"analyses": {"url": "1"}}])
def test_what_is_no_batch_is_refused_whole(web: Web, body: dict[str, Any]) -> None:
    answer = web.http.post("/api/v1/analyses", json=body)

    assert (answer.status_code, list(answer.json()["errors"])) == (422, ["analyses"])


def test_a_batch_over_its_limit_is_refused(web: Web) -> None:
    answer = web.http.post("/api/v1/analyses", content=b" " * 1_100_000, headers={"Content-Type": "application/json"})

    assert (answer.status_code, answer.json()["code"]) == (413, "REQUEST_TOO_LARGE")
