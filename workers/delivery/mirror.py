"""The job's mirror in Convex: sent on every change of status and at most every 2 s in between, until it is the same.

What is due stands in `shared.redis.outbox`; `tasks.delivery` sweeps it.
"""

from hashlib import sha256
from time import monotonic

import redis

from convex import ConvexError
from shared.errors import CircuitOpen, JobNotFound, KlipError
from shared.jobs import Job
from shared.log import logger
from shared.net.retry import RetryPolicy
from shared.redis import keys, outbox
from shared.redis.locks import held
from shared.redis.script import Script
from shared.redis.store import JobStore
from shared.stages import JobStatus
from workers.delivery.convex import ConvexClient, FunctionFailed, FunctionMissing, ValidatorRefused
from workers.delivery.rows import Update, update_of, updates_before, urls_of
from workers.delivery.sweep import LOCK_S, now_ms

GIVE_UP_MS = 24 * 3600 * 1000
POLICY = RetryPolicy(attempts=10_000, base_s=2, cap_s=300)
REFUSAL_TOLD_S = 24 * 3600
ASK_AGAIN_S = 600.0  # a deployment without our functions is taken to have none for so long
log = logger("klipstream.mirror")


class MirrorSender:
    """Brings rows up to their jobs."""

    def __init__(self, store: JobStore, client: ConvexClient, *, public_url: str) -> None:
        self._store, self._redis, self._client, self._public_url = store, store.redis, client, public_url
        self._only_old_until = 0.0

    def send(self, job_id: str) -> None:
        """Send each status that the job went through, then its newest state. One sender a job at a time."""
        with held(self._redis, keys.mirror_lock(job_id), life_s=LOCK_S) as here:
            if not here:
                return
            try:
                seq = self._send_all(job_id)
            except (KlipError, ConvexError, FunctionFailed) as error:
                self._try_later(job_id, error)
            else:
                self._settle(job_id, seq)

    def _send_all(self, job_id: str) -> int:
        """The `seq` up to which the row is right now."""
        seq = -1
        states = keys.mirror_states(job_id)
        for text in map(str, self._redis.lrange(states, 0, -1)):
            state = Job.loads(text)
            self._send_one(state)
            self._redis.lrem(states, 1, text)
            # It works now and then: waits begin to grow anew.
            self._redis.hdel(keys.mirror_failing(job_id), "tries")
            seq = state.seq
        try:
            newest = self._store.get(job_id)
        except JobNotFound:
            return seq
        if newest.seq > seq:
            self._send_one(newest)
        return newest.seq

    def _send_one(self, job: Job) -> None:
        if monotonic() > self._only_old_until:
            try:
                self._send_whole(job)
            except FunctionMissing as missing:
                if job.is_removed:
                    self._tell_once(str(missing), "mirror_keeps_removed", deploy="convex/*.ts: npx convex deploy")
                    return
                self._only_old_until = monotonic() + ASK_AGAIN_S
                self._tell_once(str(missing), "mirror_has_old_functions_only", deploy="convex/*.ts: npx convex deploy")
            else:
                return
        for update in updates_before(job, self._public_url):
            self._call(update)

    def _send_whole(self, job: Job) -> None:
        completed = job.status is JobStatus.COMPLETED and not job.is_removed
        # Who sees the job completed finds its files; a row that is not there yet gets them after.
        written = completed and self._call(urls_of(job, self._public_url))
        self._call(update_of(job))
        if completed and not written:
            self._call(urls_of(job, self._public_url))

    def _call(self, update: Update) -> bool:
        """Whether the row was changed. A refusal is told once and not tried again: it would be refused again."""
        try:
            answer = self._client.mutation(update.path, update.args)
        except ValidatorRefused as refused:
            self._tell_refusal(update, refused)
            return False
        return isinstance(answer, dict) and bool(answer["applied"])

    def _tell_refusal(self, update: Update, refused: ValidatorRefused) -> None:
        about = f"{update.path} {refused.field or refused}"
        job_id = update.args.get("jobId")
        self._tell_once(about, "mirror_refused", function=update.path, field=refused.field, job_id=job_id)

    def _tell_once(self, about: str, event: str, **more: object) -> None:
        """Log it, once a day for all that is about the same."""
        key = keys.mirror_refused(sha256(about.encode()).hexdigest()[:16])
        if self._redis.set(key, "1", nx=True, ex=REFUSAL_TOLD_S):
            log.error(event, **more)

    def _settle(self, job_id: str, seq: int) -> None:
        self._redis.delete(keys.mirror_failing(job_id))
        names = [keys.job(job_id), keys.MIRROR_DUE, keys.mirror_states(job_id)]
        Script(self._redis, "settle")(names, [job_id, seq, now_ms(self._redis), outbox.MIRROR_EVERY_MS])

    def _try_later(self, job_id: str, error: Exception) -> None:
        now, key = now_ms(self._redis), keys.mirror_failing(job_id)
        self._redis.hsetnx(key, "since", now)
        since = int(self._redis.hget(key, "since") or now)
        if now - since > GIVE_UP_MS:
            self._redis.zrem(keys.MIRROR_DUE, job_id)
            self._redis.delete(key, keys.mirror_states(job_id))
            log.error("mirror_given_up", job_id=job_id, reason=str(error))
            return
        self._redis.expire(key, outbox.STATES_TTL_S)
        wait_s = self._wait_s(key, error)
        self._redis.zadd(keys.MIRROR_DUE, {job_id: now + round(wait_s * 1000)}, xx=True)

    def _wait_s(self, key: str, error: Exception) -> float:
        if isinstance(error, CircuitOpen):
            return error.retry_after_s or 1.0
        tries = int(self._redis.hincrby(key, "tries", 1))
        if tries == 1:
            log.warning("mirror_failed", error=type(error).__name__, reason=str(error))
        asked_s = error.asked_s if isinstance(error, KlipError) else None
        return POLICY.delay_s(tries, asked_s)


def forget_all(client: redis.Redis) -> None:
    """Without a mirror, keep nothing for it."""
    while ids := client.zrange(keys.MIRROR_DUE, 0, 499):
        client.delete(*(keys.mirror_states(str(job_id)) for job_id in ids))
        client.zrem(keys.MIRROR_DUE, *ids)
