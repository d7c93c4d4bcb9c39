"""The sweep that finds what died: lost leases, links of the chain that were never sent, places that nobody took.

It looks at what is due, by the clock that the scripts set with each change: see `shared/redis/admission.py`.
"""

import json
from collections.abc import Iterator
from functools import partial

from shared import jobs
from shared.errors import JobNotFound, WorkerLost
from shared.jobs import Job, Refused, utc_now
from shared.log import logger
from shared.redis import keys, locks
from shared.redis.counters import Counted, Counters
from shared.redis.store import LEASE_MS, JobStore
from shared.stages import STAGE_BY_NAME
from tasks import pipeline
from tasks.reaper_clock import begins_patrol, grace_left, knows_every_job, looked_through
from workers.app import app, job_store

log = logger("klipstream.reaper")
ADMITTED_A_SWEEP = 100
MESSAGES_A_READ = 500
SCAN_LOCK_S = 30.0


@app.task(name="tasks.reap", send_events=False)
def reap() -> None:
    """Give the stages of dead processes to others, send what was never sent, admit jobs for which there is room."""
    store = job_store()
    due = store.admission.due(lease_ms=LEASE_MS, is_grace=grace_left(store.redis))
    for job in _found(store, due.lost):
        if job.holder is not None:
            _take_from_the_dead(store, job)
        else:
            _enrol(store, job)
    untaken = _found(store, due.untaken)
    _send_what_is_nowhere(store, [job for job in untaken if _waits(job)])
    for job in untaken:
        if not _waits(job):
            _enrol(store, job)
    _look_for_the_unwatched(store)
    pipeline.admit(store, limit=ADMITTED_A_SWEEP)


def _waits(job: Job) -> bool:
    return job.holder is None and not job.is_terminal


def _found(store: JobStore, ids: list[str]) -> list[Job]:
    found = store.load(ids)
    store.admission.forget(sorted(set(ids) - {job.job_id for job in found}))
    return found


def _take_from_the_dead(store: JobStore, job: Job) -> None:
    """Free the stage for others. Who has not been heard of since an outage fell with it: no death is counted."""
    fell_with_outage = job.updated_at <= str(store.redis.get(keys.REAPER_OUTAGE) or "")
    change = jobs.give_back if fell_with_outage else jobs.lose
    try:
        freed = store.change(job.job_id, partial(change, token=job.token, now=utc_now()), lease="drop")
    except (Refused, JobNotFound):
        return  # it was finished or taken in this moment
    if change is jobs.lose:
        store.count_retry(str(job.stage), WorkerLost.code)
        Counters(store.redis).add(Counted.WORKER_DEATHS, str(job.stage))
    log.warning("stage_lost", job_id=job.job_id, stage=job.stage, holder=job.holder, deaths=freed.deaths)
    if not freed.is_terminal:
        pipeline.send(freed)


def _look_for_the_unwatched(store: JobStore) -> None:
    """Find jobs that stand nowhere, all of them once a version, and those that an older process moves meanwhile."""
    if knows_every_job(store.redis):
        if begins_patrol(store.redis):
            _enrol_all(store, store.admission.unwatched())
        return
    with locks.held(store.redis, keys.sweep_lock(keys.ACTIVE), life_s=SCAN_LOCK_S) as here:
        if here:
            for ids in store.active_ids():
                _enrol_all(store, ids)
            looked_through(store.redis)


def _enrol_all(store: JobStore, ids: list[str]) -> None:
    for job in store.load(ids):
        _enrol(store, job)


def _enrol(store: JobStore, job: Job) -> None:
    if store.admission.enrol(job):
        log.warning("job_enrolled", job_id=job.job_id, stage=job.stage)


def _send_what_is_nowhere(store: JobStore, overdue: list[Job]) -> None:
    queues = {STAGE_BY_NAME[str(job.stage)].queue for job in overdue}
    queued = set().union(*(_jobs_in(store, queue) for queue in queues))
    for job in overdue:
        if job.job_id not in queued:
            log.warning("stage_sent_again", job_id=job.job_id, stage=job.stage)
            pipeline.send(job)


def _jobs_in(store: JobStore, queue: str) -> set[str]:
    """The jobs whose messages wait in the queue. Their ids stand in kombu's plain headers."""
    return {pipeline.job_of_message(json.loads(message)["headers"]["id"]) for message in _messages(store, queue)}


def _messages(store: JobStore, queue: str) -> Iterator[str]:
    """From the end where new ones come in: what is pushed and taken meanwhile makes none be missed."""
    start = 0
    while found := store.redis.lrange(queue, start, start + MESSAGES_A_READ - 1):
        yield from map(str, found)
        start += len(found)
