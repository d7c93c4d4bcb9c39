"""The list of a job's webhooks over HTTP."""

from dataclasses import replace
from functools import partial

from shared import jobs
from shared.jobs import utc_now
from tests.described import Description
from tests.integration.conftest import Web
from tests.jobs_made import numbered_job
from tests.peers.receiver import running_receiver
from workers.delivery.webhook_sender import WebhookSender
from workers.delivery.webhooks import WebhookDelivery

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def test_an_unknown_job_has_no_list(web: Web) -> None:
    answer = web.http.get("/api/v1/analysis/nothing/deliveries")

    assert answer.status_code == 404
    assert answer.json()["code"] == "JOB_NOT_FOUND"


def test_a_job_without_callback_has_an_empty_list(web: Web) -> None:
    web.store.create(numbered_job(), max_active=1)

    assert web.http.get("/api/v1/analysis/job1/deliveries").json() == {"deliveries": []}


def test_the_list_shows_each_try_and_not_the_job(web: Web) -> None:
    with running_receiver() as receiver:
        receiver.answers = [500]
        web.store.create(replace(numbered_job(), callback_url=receiver.url()), max_active=1)
        web.store.change("job1", partial(jobs.cancel, now=utc_now()), lease="drop")
        sender = WebhookSender((SECRET,), private_hosts=frozenset({receiver.address}))
        delivery = WebhookDelivery(web.store, sender, public_url="https://klip.example")
        delivery.sweep()

    (shown,) = web.http.get("/api/v1/analysis/job1/deliveries").json()["deliveries"]
    assert (shown["type"], shown["state"], shown["url"]) == ("job.cancelled", "pending", receiver.url())
    assert [one["status"] for one in shown["tries"]] == [500]
    assert shown["next_try_at"] > shown["created_at"]
    assert "job" not in shown

    replay = web.http.post(f"/api/v1/analysis/job1/deliveries/{shown['id']}/replay")
    assert (replay.status_code, replay.json()["state"]) == (202, "pending")
    Description(web.http).check_answer("/api/v1/analysis/{job_id}/deliveries/{delivery_id}/replay", replay)
    unknown = web.http.post("/api/v1/analysis/job1/deliveries/msg_x/replay")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "NOT_FOUND")
