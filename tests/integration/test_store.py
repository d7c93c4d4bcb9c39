"""Jobs in a real Valkey."""

import threading
from functools import partial
from typing import cast

import pytest

from shared import jobs
from shared.errors import IdempotencyKeyReused, JobConflict, JobNotFound, RateLimitExceeded
from shared.jobs import StageHeld, utc_now
from shared.redis.keys import CHANNEL, COUNTERS, PREFIX, TURNS, lease
from shared.redis.store import LEASE_MS, JobStore
from shared.representations import Progress
from tests.jobs_made import cancel, claim, numbered_job, unfinished


def test_a_created_job_reads_back_and_is_active(store: JobStore) -> None:
    created = store.create(numbered_job(), max_active=5)

    assert created.is_new
    assert store.get("job1") == created.job
    assert [job.job_id for job in unfinished(store)] == ["job1"]


def test_an_unknown_job_is_not_found(store: JobStore) -> None:
    with pytest.raises(JobNotFound):
        store.get("nothing")


def test_the_same_idempotency_key_and_body_gives_the_same_job(store: JobStore) -> None:
    first = store.create(numbered_job(1), max_active=5, idempotency_key="k", body_hash="b")
    second = store.create(numbered_job(2), max_active=5, idempotency_key="k", body_hash="b")

    assert not second.is_new
    assert second.job == first.job


def test_the_same_idempotency_key_with_another_body_is_refused(store: JobStore) -> None:
    store.create(numbered_job(1), max_active=5, idempotency_key="k", body_hash="b")

    with pytest.raises(IdempotencyKeyReused):
        store.create(numbered_job(2), max_active=5, idempotency_key="k", body_hash="other")


def test_the_same_work_that_still_runs_is_not_started_twice_unless_forced(store: JobStore) -> None:
    store.create(numbered_job(1, fingerprint="same"), max_active=5)

    assert store.create(numbered_job(2, fingerprint="same"), max_active=5).job.job_id == "job1"
    assert store.create(numbered_job(3, fingerprint="same"), max_active=5, force=True).job.job_id == "job3"


def test_finished_work_may_be_started_again(store: JobStore) -> None:
    store.create(numbered_job(1, fingerprint="same"), max_active=5)
    cancel(store, "job1")

    assert store.create(numbered_job(2, fingerprint="same"), max_active=5).is_new


def test_the_same_work_as_that_of_a_retried_job_is_not_started_twice(store: JobStore) -> None:
    store.create(numbered_job(1, fingerprint="same"), max_active=5)
    cancel(store, "job1")
    store.change("job1", partial(jobs.retry, now=utc_now()))

    assert store.create(numbered_job(2, fingerprint="same"), max_active=5).job.job_id == "job1"


def test_no_more_jobs_are_accepted_than_an_owner_may_have_unfinished(store: JobStore) -> None:
    store.create(numbered_job(1, owner="anna"), max_active=1)

    with pytest.raises(RateLimitExceeded):
        store.create(numbered_job(2, owner="anna"), max_active=1)
    assert store.create(numbered_job(3, owner="ben"), max_active=1).is_new


def test_a_change_writes_an_event_and_publishes_it_in_flask_sse_form(store: JobStore) -> None:
    store.create(numbered_job(), max_active=5)
    with store.redis.pubsub() as listener:
        listener.subscribe(CHANNEL + "job1")
        listener.get_message(timeout=5)

        claim(store, "job1")

        message = listener.get_message(timeout=5)
    last = store.last_event("job1")
    assert message is not None
    assert last is not None
    assert f'"id":"{last.id}"' in message["data"]
    assert '"type":"progress"' in message["data"]
    assert last.data["status"] == "downloading"


def test_events_after_an_id_are_replayed_in_order_and_an_unknown_id_gives_none(store: JobStore) -> None:
    store.create(numbered_job(), max_active=5)
    first = store.last_event("job1")
    held = claim(store, "job1")
    for fraction in (0.1, 0.2, 0.3):
        report = partial(jobs.report, token=held.token, fraction=fraction, eta_seconds=None, now=utc_now())
        store.change("job1", report)

    assert first is not None
    missed = store.events_after("job1", first.id)
    assert missed is not None
    assert [cast("Progress", event.data["progress"])["percentage"] for event in missed] == [0, 3, 6, 9]
    assert store.events_after("job1", "1-1") is None
    assert store.events_after("job1", "nonsense") is None


def test_a_stage_with_a_live_lease_is_held_even_if_the_job_looks_free(store: JobStore) -> None:
    store.create(numbered_job(), max_active=5)

    with store.held("job1") as here:
        assert here
        with pytest.raises(StageHeld):
            claim(store, "job1")

    assert claim(store, "job1").holder == "w"


def test_a_lease_is_renewed_by_its_holder_only(store: JobStore) -> None:
    store.create(numbered_job(), max_active=5)
    held = claim(store, "job1")

    assert store.renew_lease("job1", held.token)
    assert not store.renew_lease("job1", held.token + 1)
    assert 0 < store.redis.pttl(f"{PREFIX}lease:job1") <= LEASE_MS


def test_a_lease_that_ran_out_is_taken_up_again_until_the_stage_is_given_away(store: JobStore) -> None:
    store.create(numbered_job(), max_active=5)
    held = claim(store, "job1")
    store.redis.delete(f"{PREFIX}lease:job1")

    assert store.renew_lease("job1", held.token)

    store.change("job1", partial(jobs.lose, token=held.token, now=utc_now()), lease="drop")
    assert not store.renew_lease("job1", held.token)


def test_the_lease_of_a_cancelled_job_is_not_renewed_but_stays_until_its_holder_lets_go(store: JobStore) -> None:
    store.create(numbered_job(), max_active=5)
    held = claim(store, "job1")

    store.change("job1", partial(jobs.cancel, now=utc_now()))

    assert not store.renew_lease("job1", held.token)
    assert store.redis.exists(lease("job1"))


def test_of_many_workers_that_claim_at_once_exactly_one_gets_the_stage(store: JobStore) -> None:
    store.create(numbered_job(), max_active=5)
    won: list[str] = []

    def try_to_claim(name: str) -> None:
        try:
            claim(store, "job1", holder=name)
        except StageHeld:
            return
        won.append(name)

    threads = [threading.Thread(target=try_to_claim, args=(f"w{n}",)) for n in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(won) == 1
    assert store.get("job1").holder == won[0]


def test_no_report_of_many_writers_is_lost_and_the_events_have_no_gap(store: JobStore) -> None:
    store.create(numbered_job(), max_active=5)
    held = claim(store, "job1")

    def report(fraction: float) -> None:
        transition = partial(jobs.report, token=held.token, fraction=fraction, eta_seconds=None, now=utc_now())
        store.change("job1", transition)

    threads = [threading.Thread(target=report, args=(n / 20,)) for n in range(1, 21)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert store.get("job1").seq == held.seq + 20
    assert store.get("job1").percentage == 30
    assert store.redis.xlen(f"{PREFIX}events:job1") == 22


def test_only_finished_jobs_can_be_forgotten_and_nothing_of_them_stays(store: JobStore) -> None:
    store.create(numbered_job(), max_active=5)
    with pytest.raises(JobConflict):
        store.delete(store.get("job1"))
    cancelled = cancel(store, "job1")
    assert store.finished_before("2100-01-01T00:00:00Z") == [cancelled]

    store.delete(cancelled)

    assert set(store.redis.scan_iter(f"{PREFIX}*")) == {TURNS, COUNTERS}
