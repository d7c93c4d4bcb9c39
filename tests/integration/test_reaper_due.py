"""What the reaper looks at: what is due and nothing else, whoever wrote it."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from shared import jobs
from shared.errors import NetworkTimeout
from shared.jobs import moved, utc_now
from shared.redis import keys
from shared.redis.admission import LONGEST_PUT_OFF_MS, STAGE_QUEUES, UNSENT_MS
from shared.redis.store import LEASE_MS, JobStore
from shared.settings import Settings
from shared.stages import DELIVERY_QUEUE, STAGES
from tasks.schedule import WhatIsDue
from tests.conftest import ROOT, wait_until
from tests.integration.test_admission import claim, new_job, submit
from workers.delivery.sweep import now_ms

SWEEPS = ("tasks.reap", "tasks.mirror", "tasks.webhooks", "tasks.forget_cancelled")


def due(store: JobStore, *, is_grace: bool = False) -> tuple[list[str], list[str]]:
    found = store.admission.due(lease_ms=LEASE_MS, is_grace=is_grace)
    return found.lost, found.untaken


def later(store: JobStore, milliseconds: int) -> None:
    """Let so much time pass for what the reaper looks at (a negative one: set the clock back)."""
    for name in (keys.HELD, keys.UNTAKEN):
        for job_id in store.redis.zrange(name, 0, -1):
            store.redis.zincrby(name, -milliseconds, str(job_id))


def lease_runs_out(store: JobStore, job_id: str) -> None:
    store.redis.delete(keys.lease(job_id))
    later(store, LEASE_MS + 1)


@pytest.fixture
def admitted(store: JobStore) -> str:
    job_id = submit(store, 1)
    assert store.admission.admit(limit=1) == [job_id]
    return job_id


@pytest.fixture
def held(store: JobStore, admitted: str) -> str:
    claim(store, admitted)
    return admitted


def test_jobs_that_wait_to_be_admitted_are_never_due(store: JobStore) -> None:
    for number in range(50):
        submit(store, number)

    later(store, 10**9)

    assert due(store) == ([], [])


def test_an_admitted_job_is_due_when_its_message_should_have_been_taken_and_again_as_long_after(
    store: JobStore, admitted: str
) -> None:
    assert due(store) == ([], [])
    later(store, UNSENT_MS + 1)
    assert due(store) == ([], [admitted])
    assert due(store) == ([], [])
    later(store, UNSENT_MS + 1)
    assert due(store) == ([], [admitted])


def test_a_job_at_work_is_due_when_its_lease_has_run_out_and_not_while_it_is_renewed(
    store: JobStore, held: str
) -> None:
    later(store, LEASE_MS - 1_000)
    assert store.renew_lease(held, store.get(held).token)
    later(store, 2_000)
    assert due(store) == ([], [])

    lease_runs_out(store, held)
    assert due(store, is_grace=True) == ([], [])
    assert due(store) == ([held], [])


def test_a_lost_job_whose_look_died_is_found_again(store: JobStore, held: str) -> None:
    lease_runs_out(store, held)
    assert due(store) == ([held], [])
    assert due(store) == ([], [])

    later(store, 2_001)

    assert due(store) == ([held], [])


def test_a_lease_that_lives_is_not_lost_even_if_its_renewal_was_not_noted(store: JobStore, held: str) -> None:
    # As a worker of an earlier version renews it
    later(store, LEASE_MS + 1)

    assert due(store) == ([], [])
    lease_runs_out(store, held)
    assert due(store) == ([held], [])


def test_a_job_that_is_put_off_is_due_after_its_time_has_come(store: JobStore, held: str) -> None:
    token = store.get(held).token
    put_back = partial(jobs.put_back, token=token, error=NetworkTimeout(), delay_s=60, now=utc_now())
    store.change(held, put_back, lease="drop")

    later(store, UNSENT_MS + 1)
    assert due(store) == ([], [])
    later(store, 60_000)
    assert due(store) == ([], [held])


@pytest.mark.parametrize("back_ms", [LONGEST_PUT_OFF_MS + 60_000, 8 * 24 * 3_600_000])
def test_a_clock_that_is_set_back_hides_nothing(store: JobStore, admitted: str, back_ms: int) -> None:
    other = submit(store, 2)
    store.admission.admit(limit=1)
    claim(store, other)
    store.redis.delete(keys.lease(other))

    later(store, -back_ms)

    assert due(store) == ([other], [admitted])


@pytest.mark.parametrize("how", ["cancel", "fail", "finish all"])
def test_an_ended_job_is_looked_at_no_more(store: JobStore, held: str, how: str) -> None:
    token, now = store.get(held).token, utc_now()
    if how == "finish all":
        for _ in STAGES:
            current = claim(store, held) if store.get(held).holder is None else store.get(held)
            store.change(held, partial(jobs.finish, token=current.token, seconds=1, now=now), lease="drop")
    else:
        change = jobs.cancel if how == "cancel" else partial(jobs.fail, token=token, error=NetworkTimeout())
        store.change(held, partial(change, now=now), lease="drop")

    assert store.get(held).is_terminal
    assert not store.redis.exists(keys.HELD, keys.UNTAKEN)


# --- after an upgrade -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("of_another_kind", [False, True])
def test_jobs_under_way_that_an_earlier_version_moved_are_watched_again(
    store: JobStore, admitted: str, of_another_kind: bool
) -> None:
    other = submit(store, 2)
    store.admission.admit(limit=1)
    claim(store, other)
    store.redis.delete(keys.HELD, keys.UNTAKEN)
    if of_another_kind:  # as where one version admits and another one claims, and the other way round
        store.redis.zadd(keys.UNTAKEN, {other: 1})
        store.redis.zadd(keys.HELD, {admitted: 1})
    else:
        assert sorted(store.admission.unwatched()) == sorted([admitted, other])

    assert not any(store.admission.enrol(store.get(job_id)) for job_id in (admitted, other))

    assert store.admission.unwatched() == []
    assert store.redis.zrange(keys.HELD, 0, -1) == [other]
    assert store.redis.zrange(keys.UNTAKEN, 0, -1) == [admitted]


def test_a_job_that_ended_under_an_earlier_version_is_forgotten(store: JobStore, admitted: str) -> None:
    store.change(admitted, partial(jobs.cancel, now=utc_now()))
    store.redis.zadd(keys.UNTAKEN, {admitted: 1, "removed": 1})

    assert not store.admission.enrol(store.get(admitted))
    store.admission.forget(["removed"])

    assert not store.redis.exists(keys.UNTAKEN)


# --- whether a sweep is sent ------------------------------------------------------------------------------------------


@pytest.fixture
def has_work(config: Settings, store: JobStore) -> Callable[[str], bool]:
    store.redis.set(keys.REAPER_VERSION, "1")
    store.redis.set(keys.REAPER_PATROL, "1")
    return WhatIsDue(config, store.redis).has_work


def test_an_idle_stack_sends_no_sweep(has_work: Callable[[str], bool]) -> None:
    assert [name for name in SWEEPS if has_work(name)] == []
    assert has_work("tasks.retention")


def test_the_reaper_is_sent_while_a_job_waits_or_is_due_and_not_while_it_is_only_at_work(
    store: JobStore, has_work: Callable[[str], bool]
) -> None:
    job_id = submit(store, 1)
    assert has_work("tasks.reap")
    store.admission.admit(limit=1)
    assert not has_work("tasks.reap")
    later(store, UNSENT_MS + 1)
    assert has_work("tasks.reap")
    claim(store, job_id)
    assert not has_work("tasks.reap")
    lease_runs_out(store, job_id)
    assert has_work("tasks.reap")


def test_the_reaper_is_sent_for_what_it_has_never_seen(store: JobStore, has_work: Callable[[str], bool]) -> None:
    store.redis.delete(keys.REAPER_VERSION)
    assert has_work("tasks.reap")
    store.redis.set(keys.REAPER_VERSION, "1")
    store.redis.zadd(keys.underway(STAGE_QUEUES[0]), {"job": 1})
    assert not has_work("tasks.reap")
    store.redis.delete(keys.REAPER_PATROL)
    assert has_work("tasks.reap")


def test_others_are_sent_when_their_time_has_come(store: JobStore, has_work: Callable[[str], bool]) -> None:
    sets = {"tasks.mirror": keys.MIRROR_DUE, "tasks.webhooks": keys.WEBHOOKS_DUE}
    for name, key in sets.items():
        store.redis.zadd(key, {"a": now_ms(store.redis) + 60_000})
        assert not has_work(name)
        store.redis.zadd(key, {"a": now_ms(store.redis)})
        assert has_work(name)


def test_the_longest_wait_counts_from_when_a_job_was_accepted_admitted_or_not(store: JobStore) -> None:
    for number, minutes in ((1, 2), (2, 1)):
        since = moved(utc_now(), -60 * minutes)
        wanted = replace(new_job(number), created_at=since, updated_at=since, waiting_since=since)
        store.create(wanted, max_active=9)
    first = store.admission.counts()[STAGES[0].queue]
    store.admission.admit(limit=1)

    counts = store.admission.counts()[STAGES[0].queue]

    assert (first.waiting, counts.waiting, counts.at_work) == (2, 2, 0)
    assert first.longest_wait_s == pytest.approx(120, abs=5)
    assert counts.longest_wait_s == pytest.approx(120, abs=5)


# --- the real scheduler -----------------------------------------------------------------------------------------------


@contextmanager
def celery(config: Settings, *arguments: str) -> Iterator[Path]:
    """A process of Celery's as the stack runs it; yields its log."""
    log = config.data_dir / f"{arguments[0]}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "celery", "-A", "workers.app", *arguments]
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=output)
    try:
        yield log
    finally:
        process.terminate()
        process.wait(20)


def _has_looked_since(store: JobStore, moment: object) -> bool:
    return store.redis.get(keys.REAPER_LAST) != moment


def ticks(store: JobStore, count: int) -> None:
    """Wait until the scheduler has looked so often at what is due."""
    for _ in range(count):
        wait_until(partial(_has_looked_since, store, store.redis.get(keys.REAPER_LAST)), seconds=60)


def test_the_scheduler_of_an_idle_stack_sends_and_logs_nothing_and_goes_on_when_a_job_waits(
    config: Settings, store: JobStore
) -> None:
    store.redis.set(keys.REAPER_VERSION, "1")
    with celery(config, "beat") as log:
        ticks(store, 3)
        assert store.redis.llen(DELIVERY_QUEUE) == 0

        submit(store, 1)
        wait_until(lambda: store.redis.llen(DELIVERY_QUEUE) > 0, seconds=20)

        assert "Sending due task" not in log.read_text()


def test_a_sweep_is_neither_logged_nor_told_to_flower(config: Settings, store: JobStore) -> None:
    with store.redis.pubsub() as listener, celery(config, "worker", "-Q", DELIVERY_QUEUE, "-c", "1") as log:
        listener.psubscribe("*celeryev*")
        wait_until(lambda: " ready." in log.read_text(), seconds=60)

        with celery(config, "beat"):
            wait_until(lambda: store.redis.get(keys.REAPER_VERSION) is not None, seconds=60)
            ticks(store, 2)

        assert "Task tasks." not in log.read_text()
        heard = list(iter(lambda: listener.get_message(timeout=0.1), None))
        assert {message["channel"].rpartition("/")[2] for message in heard if message["type"] == "pmessage"} <= {
            "worker.online",
            "worker.heartbeat",
        }
