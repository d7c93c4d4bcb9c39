"""Webhooks from the change of a job to a receiver's answer: a real Valkey, a real HTTP server."""

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
import svix
from standardwebhooks import Webhook

from shared import jobs
from shared.errors import JobConflict, WorkerLost
from shared.jobs import Job, utc_now
from shared.records import Results
from shared.redis import keys, outbox
from shared.redis.store import JobStore
from shared.stages import STAGES
from tests.conftest import wait_until
from tests.jobs_made import numbered_job
from tests.peers.receiver import Receiver, running_receiver
from tests.results_made import results
from workers.delivery.sweep import now_ms
from workers.delivery.webhook_sender import WAITS_S, WebhookSender
from workers.delivery.webhooks import MAX_KEPT, RECEIVER_AT_ONCE, WebhookDelivery

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
PUBLIC = "https://klip.example"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with running_receiver() as running:
        yield running


@pytest.fixture
def delivery(store: JobStore, receiver: Receiver) -> WebhookDelivery:
    sender = WebhookSender((SECRET,), private_hosts=frozenset({receiver.address}))
    return WebhookDelivery(store, sender, public_url=PUBLIC)


def start(store: JobStore, receiver: Receiver, url: str | None = None, *, job_id: str = "job1") -> Job:
    job = replace(numbered_job(), job_id=job_id, fingerprint=job_id, callback_url=url or receiver.url())
    store.create(job, max_active=1000)
    claim = partial(jobs.claim, stage=STAGES[0], attempt=1, holder="w", now=utc_now())
    return store.change(job_id, claim, lease="take")


def cancel(store: JobStore) -> Job:
    return store.change("job1", partial(jobs.cancel, now=utc_now()), lease="drop")


def complete(store: JobStore, job: Job, made: Results) -> None:
    for stage in STAGES:
        if job.holder is None:
            claim = partial(jobs.claim, stage=stage, attempt=1, holder="w", now=utc_now())
            job = store.change("job1", claim, lease="take")
        finish = partial(jobs.finish, token=job.token, seconds=1.0, now=utc_now(), results=made)
        job = store.change("job1", finish, lease="drop")


def run_sweep(store: JobStore, delivery: WebhookDelivery) -> None:
    delivery.sweep()


def all_due(store: JobStore) -> None:
    """Turn the clock: everything that waits is due."""
    for member in store.redis.zrange(keys.WEBHOOKS_DUE, 0, -1):
        store.redis.zadd(keys.WEBHOOKS_DUE, {str(member): 0})


def only(store: JobStore) -> outbox.Delivery:
    (record,) = outbox.deliveries(store.redis, "job1")
    return record


def test_a_jobs_life_arrives_signed_with_the_job_as_data(
    store: JobStore, receiver: Receiver, delivery: WebhookDelivery
) -> None:
    job = start(store, receiver)
    run_sweep(store, delivery)
    complete(store, job, results(chat_url="/api/v1/analysis/job1/files/chat.jsonl"))
    run_sweep(store, delivery)

    started, completed = receiver.verified(SECRET)
    assert (started["type"], started["data"]["status"]) == ("job.started", "downloading")
    assert (completed["type"], completed["data"]["status"]) == ("job.completed", "completed")
    assert completed["data"]["links"]["self"] == f"{PUBLIC}/api/v1/analysis/job1"
    assert completed["data"]["results"]["chat_url"] == f"{PUBLIC}/api/v1/analysis/job1/files/chat.jsonl"
    assert completed["data"]["results"]["highlights"] == 3
    assert not store.redis.exists(keys.WEBHOOKS_DUE)


def test_failure_and_cancellation_are_told(store: JobStore, receiver: Receiver, delivery: WebhookDelivery) -> None:
    start(store, receiver)
    cancel(store)
    store.change("job1", partial(jobs.retry, now=utc_now()))
    claim = partial(jobs.claim, stage=STAGES[0], attempt=2, holder="w", now=utc_now())
    held = store.change("job1", claim, lease="take")
    lost = partial(jobs.fail, token=held.token, error=WorkerLost(), now=utc_now())
    store.change("job1", lost, lease="drop")

    while store.redis.zcard(keys.WEBHOOKS_DUE):
        run_sweep(store, delivery)

    bodies = receiver.verified(SECRET)
    told = {(body["type"], body["data"]["attempt"]) for body in bodies}
    assert told == {("job.started", 1), ("job.cancelled", 1), ("job.started", 2), ("job.failed", 2)}
    assert len({request.headers["webhook-id"] for request in receiver.received}) == 4


def test_a_job_without_a_callback_tells_nobody(store: JobStore) -> None:
    store.create(numbered_job(), max_active=1)
    cancel(store)

    assert not store.redis.exists(keys.WEBHOOKS_DUE)
    assert outbox.deliveries(store.redis, "job1") == []


def test_only_what_was_asked_for_is_told(store: JobStore, receiver: Receiver, delivery: WebhookDelivery) -> None:
    job = replace(numbered_job(), callback_url=receiver.url(), callback_events=("job.cancelled",), metadata={"a": "b"})
    store.create(job, max_active=1)
    claim = partial(jobs.claim, stage=STAGES[0], attempt=1, holder="w", now=utc_now())
    store.change("job1", claim, lease="take")
    cancel(store)
    run_sweep(store, delivery)

    (body,) = receiver.verified(SECRET)
    assert (body["type"], body["data"]["metadata"], body["data"]["callback_events"]) == (
        "job.cancelled",
        {"a": "b"},
        ["job.cancelled"],
    )


def test_while_a_secret_changes_both_receivers_can_verify(store: JobStore, receiver: Receiver) -> None:
    secrets = (SECRET, "whsec_" + "B" * 32)
    sender = WebhookSender(secrets, private_hosts=frozenset({receiver.address}))
    start(store, receiver)
    WebhookDelivery(store, sender, public_url=PUBLIC).sweep()

    (request,) = receiver.received
    for secret in secrets:
        assert Webhook(secret).verify(request.body, request.headers)["type"] == "job.started"
        svix.Webhook(secret).verify(request.body, request.headers)
    with pytest.raises(svix.WebhookVerificationError):
        svix.Webhook("whsec_" + "C" * 32).verify(request.body, request.headers)
    assert len(request.headers["webhook-signature"].split(" ")) == 2


@pytest.mark.parametrize("before", [[204], [410], [503] * 10])
def test_an_event_is_sent_again_by_hand_whatever_came_of_it(
    store: JobStore, receiver: Receiver, delivery: WebhookDelivery, before: list[int | tuple[int, dict[str, str]] | str]
) -> None:
    receiver.answers = list(before)
    start(store, receiver)
    while store.redis.zcard(keys.WEBHOOKS_DUE):
        all_due(store)
        run_sweep(store, delivery)

    shown = outbox.replay(store.redis, "job1", only(store)["id"])
    assert (shown["state"], "job" in shown) == ("pending", False)
    run_sweep(store, delivery)

    first, last = receiver.received[0], receiver.received[-1]
    assert len(receiver.received) == len(before) + 1
    assert (first.headers["webhook-id"], first.body) == (last.headers["webhook-id"], last.body)
    assert (only(store)["state"], len(only(store)["tries"])) == ("delivered", len(before) + 1)


def test_an_event_can_not_be_sent_for_ever(store: JobStore, receiver: Receiver, delivery: WebhookDelivery) -> None:
    start(store, receiver)
    run_sweep(store, delivery)
    for _ in range(outbox.MAX_TRIES - 1):
        outbox.replay(store.redis, "job1", only(store)["id"])
        run_sweep(store, delivery)

    with pytest.raises(JobConflict):
        outbox.replay(store.redis, "job1", only(store)["id"])


def test_a_failed_try_is_repeated_with_the_same_id_and_body(
    store: JobStore, receiver: Receiver, delivery: WebhookDelivery
) -> None:
    receiver.answers = [500]
    start(store, receiver)
    run_sweep(store, delivery)
    waits_ms = float(store.redis.zrange(keys.WEBHOOKS_DUE, 0, 0, withscores=True)[0][1]) - now_ms(store.redis)
    all_due(store)
    run_sweep(store, delivery)

    first, second = receiver.received
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert first.body == second.body
    assert 0 < waits_ms <= WAITS_S[0] * 1000
    assert [one["status"] for one in only(store)["tries"]] == [500, 204]
    assert only(store)["tries"][0]["answer"] == '{"status": 500}'
    assert only(store)["state"] == "delivered"


def test_ten_tries_over_a_day_are_made_and_no_more(
    store: JobStore, receiver: Receiver, delivery: WebhookDelivery
) -> None:
    receiver.answers = [503] * 20
    start(store, receiver)

    while store.redis.zcard(keys.WEBHOOKS_DUE):
        all_due(store)
        run_sweep(store, delivery)

    assert len(receiver.received) == 10
    assert sum(WAITS_S) == 24 * 3600
    assert (only(store)["state"], only(store)["next_try_at"]) == ("failed", None)


def test_what_retry_after_asks_for_is_waited(store: JobStore, receiver: Receiver, delivery: WebhookDelivery) -> None:
    receiver.answers = [(429, {"Retry-After": "900"})]
    start(store, receiver)
    run_sweep(store, delivery)

    waits_ms = float(store.redis.zrange(keys.WEBHOOKS_DUE, 0, 0, withscores=True)[0][1]) - now_ms(store.redis)
    assert 890_000 < waits_ms <= 900_000


def test_gone_stops_this_and_every_later_event_of_the_job(
    store: JobStore, receiver: Receiver, delivery: WebhookDelivery
) -> None:
    receiver.answers = [410]
    start(store, receiver)
    run_sweep(store, delivery)
    cancel(store)
    run_sweep(store, delivery)

    assert len(receiver.received) == 1
    assert [one["state"] for one in outbox.deliveries(store.redis, "job1")] == ["gone", "gone"]
    assert not store.redis.exists(keys.WEBHOOKS_DUE)


def test_a_redirect_is_not_followed(store: JobStore, receiver: Receiver, delivery: WebhookDelivery) -> None:
    receiver.answers = [(307, {"Location": receiver.url("/elsewhere")})]
    start(store, receiver)

    run_sweep(store, delivery)

    assert [request.path for request in receiver.received] == ["/hook"]
    assert (only(store)["state"], only(store)["tries"][0]["status"]) == ("pending", 307)


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/", "https://localhost/", "https://10.0.0.1/x"])
def test_the_address_is_checked_again_at_each_delivery(
    store: JobStore, receiver: Receiver, delivery: WebhookDelivery, url: str
) -> None:
    start(store, receiver, url)

    run_sweep(store, delivery)

    (tried,) = only(store)["tries"]
    assert tried["status"] is None
    assert "refused" in (tried["error"] or "")


def test_a_receiver_that_drips_is_cut_off_in_time(store: JobStore, receiver: Receiver) -> None:
    receiver.answers = ["drip"]
    sender = WebhookSender((SECRET,), private_hosts=frozenset({receiver.address}), timeout_s=0.5)

    answer = sender.post(receiver.url(), event_id="msg_1", body="{}")

    assert (answer.status, answer.error) == (None, "A server took too long to answer")
    assert receiver.hung_up.wait(10)


def test_a_receiver_that_hangs_costs_its_own_deliveries_only(store: JobStore, receiver: Receiver) -> None:
    # Given 150 events that are due for a receiver that never answers, and behind them five for one that does
    with running_receiver() as hanging:
        hanging.usual = "hang"
        sender = WebhookSender((SECRET,), private_hosts=frozenset({receiver.address, hanging.address}), timeout_s=1.5)
        delivery = WebhookDelivery(store, sender, public_url=PUBLIC)
        events = [f"hanging{number}" for number in range(150)] + [f"healthy{number}" for number in range(5)]
        for number, job_id in enumerate(events):
            start(store, receiver if job_id.startswith("healthy") else hanging, job_id=job_id)
            (member,) = (str(one) for one in store.redis.zrange(keys.WEBHOOKS_DUE, -1, -1))
            store.redis.zadd(keys.WEBHOOKS_DUE, {member: number})

        # When they are swept
        running = threading.Thread(target=delivery.sweep)
        running.start()
        wait_until(lambda: len(receiver.received) == 5, seconds=10)

        # Then the healthy one has all of its own while the other one still hangs, and takes no more than its share
        assert hanging.at_once > 0
        assert len(hanging.received) <= 2 * RECEIVER_AT_ONCE
        running.join(30)
        assert hanging.most_at_once == RECEIVER_AT_ONCE
        assert len(hanging.received) < len(events)


def test_an_event_that_is_due_again_is_tried_while_another_receiver_hangs(store: JobStore, receiver: Receiver) -> None:
    receiver.answers = [500]
    with running_receiver() as hanging:
        hanging.usual = "hang"
        sender = WebhookSender((SECRET,), private_hosts=frozenset({receiver.address, hanging.address}), timeout_s=4)
        delivery = WebhookDelivery(store, sender, public_url=PUBLIC)
        start(store, receiver)
        start(store, hanging, job_id="job2")
        running = threading.Thread(target=delivery.sweep)
        running.start()
        wait_until(lambda: [one["status"] for one in only(store)["tries"]] == [500])

        all_due(store)

        wait_until(lambda: [one["status"] for one in only(store)["tries"]] == [500, 204], seconds=3)
        assert hanging.at_once > 0
        running.join(30)


def test_a_death_between_post_and_note_delivers_again_under_the_same_id(
    store: JobStore, receiver: Receiver, delivery: WebhookDelivery
) -> None:
    class Dies(WebhookSender):
        def post(self, url: str, *, event_id: str, body: str) -> Any:
            super().post(url, event_id=event_id, body=body)
            raise SystemExit

    start(store, receiver)
    dying = WebhookDelivery(store, Dies((SECRET,), private_hosts=frozenset({receiver.address})), public_url=PUBLIC)
    (member,) = store.redis.zrange(keys.WEBHOOKS_DUE, 0, -1)
    with pytest.raises(SystemExit):
        dying.deliver(str(member))
    run_sweep(store, delivery)

    first, second = receiver.received
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert only(store)["state"] == "delivered"


def test_an_event_of_a_removed_job_is_dropped(store: JobStore, receiver: Receiver, delivery: WebhookDelivery) -> None:
    start(store, receiver)
    store.delete(cancel(store))

    run_sweep(store, delivery)

    assert receiver.received == []
    assert store.redis.keys("klip:webhooks:*") == []


def test_what_is_kept_of_a_job_is_bounded(store: JobStore, receiver: Receiver, delivery: WebhookDelivery) -> None:
    start(store, receiver)
    old = outbox.deliveries(store.redis, "job1")[0] | {"state": "delivered", "created_at": "2026-01-01T00:00:00.000Z"}
    many: dict[Any, Any] = {f"msg_{n}": json.dumps(old | {"id": f"msg_{n}"}) for n in range(MAX_KEPT + 20)}
    store.redis.hset(keys.webhooks("job1"), mapping=many)

    run_sweep(store, delivery)

    kept = outbox.deliveries(store.redis, "job1")
    assert len(kept) == MAX_KEPT
    assert kept[-1]["type"] == "job.started"
