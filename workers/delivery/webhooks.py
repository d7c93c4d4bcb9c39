"""Delivering webhooks: what is due stands in `shared.redis.outbox`, `tasks.delivery` sweeps it."""

import json
from collections.abc import Sequence
from urllib.parse import urlsplit

from shared.jobs import Job, iso_of_ms
from shared.log import logger
from shared.redis import keys, outbox
from shared.redis.locks import held
from shared.redis.script import Script
from shared.redis.store import JobStore
from workers.delivery.sweep import LOCK_S, now_ms, sweep
from workers.delivery.webhook_sender import GONE, WAITS_S, Answer, WebhookSender, payload

MAX_KEPT = 100  # events of one job
RECEIVER_AT_ONCE = 2
MAX_RETRY_AFTER_S = 6 * 3600
log = logger("klipstream.webhooks")


class WebhookDelivery:
    """Tries events that are due, each under its own id until it was accepted, refused for good, or a day has passed."""

    def __init__(self, store: JobStore, sender: WebhookSender, *, public_url: str) -> None:
        self._redis, self._sender, self._public_url = store.redis, sender, public_url

    def sweep(self) -> None:
        """Try every event that is due. One that hangs takes no more than RECEIVER_AT_ONCE threads from the others."""
        sweep(
            self._redis,
            keys.WEBHOOKS_DUE,
            self.deliver,
            lanes_of=self._receivers,
            lane_width=RECEIVER_AT_ONCE,
        )

    def _receivers(self, members: Sequence[str]) -> list[str]:
        """Host and port of each event's receiver."""
        with self._redis.pipeline(transaction=False) as pipe:
            for member in members:
                job_id, _, event_id = member.partition("/")
                pipe.hget(keys.webhooks(job_id), event_id)
            records = pipe.execute()
        return [urlsplit(json.loads(text)["url"]).netloc.lower() if text else "" for text in records]

    def deliver(self, member: str) -> None:
        """Try the event `JOB/EVENT` once."""
        job_id, _, event_id = member.partition("/")
        with held(self._redis, keys.webhook_lock(member), life_s=LOCK_S) as here:
            if not here:
                return
            text = self._redis.hget(keys.webhooks(job_id), event_id)
            record: outbox.Delivery | None = json.loads(text) if text else None
            if record is None or record["state"] != "pending":
                self._redis.zrem(keys.WEBHOOKS_DUE, member)
                return
            if not record.get("by_hand") and self._is_gone(job_id, record["url"]):
                self._keep(member, {**record, "state": "gone"}, None)
            else:
                self._try(member, record)

    def _is_gone(self, job_id: str, url: str) -> bool:
        """Whether the receiver said at an earlier event of the job that it wants no more."""
        records = map(json.loads, self._redis.hvals(keys.webhooks(job_id)))
        return any(record["state"] == "gone" and record["url"] == url for record in records)

    def _try(self, member: str, record: outbox.Delivery) -> None:
        body = payload(
            record["type"], Job.loads(record["job"]), created_at=record["created_at"], base_url=self._public_url
        )
        began = now_ms(self._redis)
        answer = self._sender.post(record["url"], event_id=record["id"], body=body)
        record["tries"].append(
            {
                "at": iso_of_ms(began),
                "seconds": answer.seconds,
                "status": answer.status,
                "answer": answer.text,
                "error": answer.error,
            }
        )
        tries = len(record["tries"]) - record.get("tries_before", 0)
        state = _state_after(answer, tries)
        next_ms = began + _wait_ms(answer, tries) if state == "pending" else None
        self._keep(member, {**record, "state": state}, next_ms)
        about = {"job_id": member.partition("/")[0], "webhook": record["type"], "status": answer.status}
        log.info("webhook_tried", state=state, error=answer.error, **about)

    def _keep(self, member: str, record: outbox.Delivery, next_ms: int | None) -> None:
        record["next_try_at"] = None if next_ms is None else iso_of_ms(next_ms)
        job_id, _, event_id = member.partition("/")
        arguments = [event_id, json.dumps(record), member, "" if next_ms is None else next_ms]
        Script(self._redis, "keep_delivery")([keys.webhooks(job_id), keys.WEBHOOKS_DUE], arguments)
        self._drop_oldest(job_id)

    def _drop_oldest(self, job_id: str) -> None:
        records = outbox.deliveries(self._redis, job_id)
        done = [record["id"] for record in records if record["state"] != "pending"]
        if too_many := done[: max(0, len(records) - MAX_KEPT)]:
            self._redis.hdel(keys.webhooks(job_id), *too_many)


def _state_after(answer: Answer, tries: int) -> str:
    if answer.is_accepted:
        return "delivered"
    if answer.status == GONE:
        return "gone"
    return "pending" if tries <= len(WAITS_S) else "failed"


def _wait_ms(answer: Answer, tries: int) -> int:
    asked_s = min(answer.retry_after_s or 0, MAX_RETRY_AFTER_S)
    return round(max(WAITS_S[tries - 1], asked_s) * 1000)
