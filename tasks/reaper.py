"""The sweep that finds what died: lost leases, links of the chain that were never sent, places that nobody took."""

import json
from functools import partial

from shared import jobs
from shared.errors import JobNotFound, WorkerLost
from shared.jobs import Job, Refused, iso_of_ms, seconds_since, utc_now
from shared.log import logger
from shared.net.retry import LONGEST_WAIT_S
from shared.redis import keys
from shared.redis.store import LEASE_MS, JobStore
from shared.stages import STAGE_BY_NAME
from tasks import pipeline
from workers.app import app, job_store

log = logger("klipstream.reaper")
# No sweep for this long means that the stack or Redis was away: then nobody could renew a lease.
OUTAGE_S = 6.0
# A waiting stage whose message is in no queue is sent again after this long: a worker that has just taken the message
# claims the stage within it.
UNSENT_S = 10.0
# No stage is put off for longer: who waits until later than this was written by a clock that has been set back since.
LONGEST_PUT_OFF_S = 2 * LONGEST_WAIT_S
ADMITTED_A_SWEEP = 100


@app.task(name="tasks.reap")
def reap() -> None:
    """Give the stages of dead processes to others, send what was never sent, admit jobs for which there is room."""
    store = job_store()
    grace = _grace_left(store)
    # In this order: a job that is admitted in between is not found overdue.
    under_way = store.admission.under_way()
    overdue = []
    for job in store.active():
        if job.holder is not None:
            if not grace and not store.has_lease(job.job_id):
                _take_from_the_dead(store, job)
        elif _is_overdue(job, under_way.get(job.job_id)):
            overdue.append(job)
    _send_what_is_nowhere(store, [job for job in overdue if job.job_id in under_way])
    _enrol_the_unknown(store, [job for job in overdue if job.job_id not in under_way])
    pipeline.admit(store, limit=ADMITTED_A_SWEEP)


def _is_overdue(job: Job, admitted_ms: float | None) -> bool:
    """Whether the stage's message should have been taken by now."""
    waits_since = max(job.waiting_since or job.created_at, iso_of_ms(admitted_ms or 0))
    waited_s = seconds_since(waits_since, utc_now())
    return waited_s > UNSENT_S or waited_s < -LONGEST_PUT_OFF_S


def _grace_left(store: JobStore) -> bool:
    """Whether holders still have time to take up leases that ran out while Redis or the stack was away."""
    now = utc_now()
    last = store.redis.set(keys.REAPER_LAST, now, get=True)
    # A clock that was set back counts as an outage too.
    if last is None or not 0 <= seconds_since(str(last), now) <= OUTAGE_S:
        store.redis.set(keys.REAPER_GRACE, "1", px=LEASE_MS)
        store.redis.set(keys.REAPER_OUTAGE, now)
    return bool(store.redis.exists(keys.REAPER_GRACE))


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
    log.warning("stage_lost", job_id=job.job_id, stage=job.stage, holder=job.holder, deaths=freed.deaths)
    if not freed.is_terminal:
        pipeline.send(freed)


def _enrol_the_unknown(store: JobStore, overdue: list[Job]) -> None:
    waiting = store.admission.waiting_among(overdue)
    for job in overdue:
        if job.job_id not in waiting and store.admission.enrol(job):
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
    messages = store.redis.lrange(queue, 0, -1)
    return {pipeline.job_of_message(json.loads(message)["headers"]["id"]) for message in messages}
