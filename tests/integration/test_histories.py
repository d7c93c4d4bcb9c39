"""Whatever workers, reapers, cleaners and users do in whatever order, what Redis says of a job makes sense.

The rules are `shared.jobs`' and have a test of their own (tests/unit/test_jobs.py). This one is about the real store:
every change is there once, as state, event, message, index and lease, also when writers get in each other's way.
"""

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeVar, cast

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, multiple, rule, run_state_machine_as_test
from redis.lock import Lock

from shared import jobs
from shared.errors import IdempotencyKeyReused, NetworkTimeout, RateLimitExceeded, UnsupportedFormat
from shared.jobs import Job, Refused, StageHeld, moved
from shared.redis.keys import CHANNEL, HELD, PREFIX, UNTAKEN
from shared.redis.locks import release
from shared.redis.store import LEASE_MS, Entries, JobStore
from shared.representations import event_of
from shared.stages import STAGE_BY_NAME, STAGES, TERMINAL, JobStatus
from tests.results_made import results

CREATED_AT = "2026-11-22T10:00:00.000Z"
MAX_ACTIVE = 3
CLEANER = "cleaner"
HOLDERS = ("w1", "w2", "w3")
MARKER = CHANNEL + "end of step"
ENDINGS = ("finish", "put back", "give back", "lose", "fail")
OF_WHO_WORKS = ("report", *ENDINGS)  # and of the reaper, which knows the token it has seen

Change = Callable[[Job], Job]
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Move:
    """Something that somebody does to a job. late_by: how many tokens ago the one it knows was given out."""

    kind: str
    late_by: int = 0
    fraction: float = 0.5
    holder: str = HOLDERS[0]
    stage: str | None = None  # None: the one the job waits for
    lease: str = "drop"

    def on(self, job: Job, now: str) -> Change:
        """The change, by one who knows the job as it is now."""
        token, stage = job.token - self.late_by, STAGE_BY_NAME[self.stage or job.stage or STAGES[0].name]
        made = results(chat_url=now)
        changes: dict[str, Change] = {
            "claim": lambda it: jobs.claim(it, stage=stage, attempt=job.attempt, holder=self.holder, now=now),
            "report": lambda it: jobs.report(it, token=token, fraction=self.fraction, eta_seconds=7, now=now),
            "finish": lambda it: jobs.finish(it, token=token, seconds=1, now=now, warnings=(now,), results=made),
            "put back": lambda it: jobs.put_back(it, token=token, error=NetworkTimeout(), delay_s=1, now=now),
            "give back": lambda it: jobs.give_back(it, token=token, now=now),
            "lose": lambda it: jobs.lose(it, token=token, now=now),
            "fail": lambda it: jobs.fail(it, token=token, error=UnsupportedFormat(), now=now),
            "cancel": lambda it: jobs.cancel(it, now=now),
            "retry": lambda it: jobs.retry(it, now=now),
        }
        return changes[self.kind]


LATE_BY = st.sampled_from((0, 0, 0, 1, 2))
ENDS = st.builds(Move, kind=st.sampled_from(ENDINGS), late_by=LATE_BY)
CLAIMS = st.builds(
    Move,
    kind=st.just("claim"),
    holder=st.sampled_from(HOLDERS),
    stage=st.sampled_from((None, None, None, *STAGE_BY_NAME)),
    lease=st.just("take"),
)
REPORTS = st.builds(Move, kind=st.just("report"), late_by=LATE_BY, fraction=st.floats(-1, 2), lease=st.just(""))
# The web leaves the lease to whoever works; others take it away.
OF_USERS = st.builds(Move, kind=st.sampled_from(("cancel", "retry")), lease=st.sampled_from(("", "drop")))
MOVES = st.one_of(CLAIMS, REPORTS, ENDS, OF_USERS)


class AnyHistory(RuleBasedStateMachine):
    """Holds beside the store what was done, and compares after each step."""

    ids: Bundle[str] = Bundle("ids")

    def __init__(self, store: JobStore) -> None:
        super().__init__()
        self.store, self.redis = store, store.redis
        self.redis.flushdb()
        self.histories: dict[str, list[Job]] = {}  # every state of every job
        self.leases: dict[str, str] = {}
        self.running: dict[tuple[str, str], str] = {}
        self.promises: dict[tuple[str, str], tuple[str, str]] = {}  # body and job by owner and Idempotency-Key
        self.published: dict[str, list[Any]] = {}
        self.seconds = 0
        self.listener = self.redis.pubsub()
        self.listener.psubscribe(CHANNEL + "*")
        self._hear()

    def teardown(self) -> None:
        self.listener.close()

    def _now(self) -> str:
        self.seconds += 1
        return moved(CREATED_AT, self.seconds)

    # --- what is done -------------------------------------------------------------------------------------------------

    @rule(
        target=ids,
        owner=st.sampled_from(("", "anna")),
        fingerprint=st.sampled_from(("same", "other")),
        key=st.sampled_from((None, None, "k1", "k2")),
        body=st.sampled_from(("b1", "b1", "b2")),
        force=st.booleans(),
    )
    def create(self, owner: str, fingerprint: str, key: str | None, body: str, force: bool) -> Any:
        now = self._now()
        job = Job(
            job_id=f"job{self.seconds}",
            owner=owner,
            url="file:a.mp4",
            video_id=f"{fingerprint}.mp4",
            source={"kind": "local", "ref": "a.mp4"},
            fingerprint=fingerprint,
            created_at=now,
            updated_at=now,
        )
        wanted = self._what_create_means(job, key, body, force)
        created = outcome_of(
            lambda: self.store.create(job, max_active=MAX_ACTIVE, idempotency_key=key, body_hash=body, force=force)
        )
        if isinstance(created, Exception):
            assert type(created) is wanted
            return multiple()
        assert created.job.job_id == wanted
        assert created.is_new == (wanted == job.job_id)
        if created.is_new:
            self.histories[job.job_id] = [job]
            self.running[owner, fingerprint] = job.job_id
        if key:
            self.promises.setdefault((owner, key), (body, created.job.job_id))
        return created.job.job_id if created.is_new else multiple()

    def _what_create_means(self, job: Job, key: str | None, body: str, force: bool) -> str | type[Exception]:
        promised = self.promises.get((job.owner, key)) if key else None
        if promised:
            return promised[1] if promised[0] == body else IdempotencyKeyReused
        same = self.running.get((job.owner, job.fingerprint))
        if same and not force:
            return same
        unfinished = [it for it in self._jobs() if it.owner == job.owner and not it.is_terminal]
        return RateLimitExceeded if len(unfinished) >= MAX_ACTIVE else job.job_id

    @rule(job_id=ids, move=MOVES)
    def move(self, job_id: str, move: Move) -> None:
        self._change(job_id, move)

    @rule(job_id=ids, move=MOVES, meanwhile=MOVES)
    def move_while_somebody_else_is_faster(self, job_id: str, move: Move, meanwhile: Move) -> None:
        self._change(job_id, move, meanwhile)

    @rule(job_id=ids, holder=st.sampled_from(HOLDERS), fraction=st.floats(0, 1))
    def pass_a_stage(self, job_id: str, holder: str, fraction: float) -> None:
        """What happens to most: without it hardly any job would get far."""
        self._change(job_id, Move(kind="claim", holder=holder, lease="take"))
        self._change(job_id, Move(kind="report", fraction=fraction, lease=""))
        self._change(job_id, Move(kind="finish"))

    @rule(job_id=ids, is_cleaned=st.booleans())
    def start_again_while_the_lease_is_still_held(self, job_id: str, is_cleaned: bool) -> None:
        self._change(job_id, Move(kind="cancel", lease="drop" if is_cleaned else ""))
        if is_cleaned:
            self._hold_for_cleaning(job_id)
        self._renew(job_id, late_by=1)
        self._change(job_id, Move(kind="retry", lease=""))
        self._change(job_id, Move(kind="claim", lease="take"))

    def _change(self, job_id: str, move: Move, meanwhile: Move | None = None) -> None:
        before = self.histories[job_id][-1]
        transition = move.on(before, self._now())
        asked: list[Job] = []
        answers: list[Job] = []

        def observed(job: Job) -> Job:
            if meanwhile is not None and not asked:
                self._change(job_id, meanwhile)
            asked.append(job)
            answers.append(transition(job))
            return answers[-1]

        new = outcome_of(lambda: self.store.change(job_id, observed, lease=move.lease))
        must_wait = move.lease == "take" and job_id in self.leases
        if isinstance(new, Exception):
            assert len(answers) < len(asked) or (must_wait and type(new) is StageHeld)
            return
        after = self.histories[job_id][-1]  # what the other one made of it
        is_in_the_way = after is not before and answers[0] != before
        assert asked == ([before, after] if is_in_the_way else [before])
        assert new == answers[-1]
        if new != asked[-1]:
            assert not must_wait
            assert move.kind not in OF_WHO_WORKS or asked[-1].token == before.token - move.late_by
            self._remember(new, move.lease)

    def _remember(self, new: Job, lease: str) -> None:
        self.histories[new.job_id].append(new)
        if lease == "take":
            self.leases[new.job_id] = str(new.token)
        elif lease == "drop":
            self.leases.pop(new.job_id, None)
        work = (new.owner, new.fingerprint)
        if not new.is_terminal:
            self.running.setdefault(work, new.job_id)
        elif self.running.get(work) == new.job_id:
            del self.running[work]

    @rule(job_id=ids, late_by=LATE_BY)
    def renew(self, job_id: str, late_by: int) -> None:
        self._renew(job_id, late_by)

    def _renew(self, job_id: str, late_by: int) -> None:
        job = self.histories[job_id][-1]
        token = job.token - late_by
        is_ours = late_by == 0 and job.holder is not None and self.leases.get(job_id) in {None, str(token)}

        assert self.store.renew_lease(job_id, token) == is_ours
        if is_ours:
            self.leases[job_id] = str(token)

    @rule(job_id=ids)
    def let_the_lease_run_out(self, job_id: str) -> None:
        self.redis.delete(f"{PREFIX}lease:{job_id}")
        self.leases.pop(job_id, None)

    @rule(job_id=ids)
    def hold_for_cleaning(self, job_id: str) -> None:
        self._hold_for_cleaning(job_id)

    def _hold_for_cleaning(self, job_id: str) -> None:
        if self.histories[job_id][-1].is_terminal:
            lease = Lock(self.redis, f"{PREFIX}lease:{job_id}", timeout=LEASE_MS / 1000)
            assert lease.acquire(blocking=False, token=CLEANER) == (job_id not in self.leases)
            self.leases.setdefault(job_id, CLEANER)

    @rule(job_id=ids, late_by=LATE_BY)
    def release(self, job_id: str, late_by: int) -> None:
        token = self.histories[job_id][-1].token - late_by
        self.store.release(job_id, token)
        if self.leases.get(job_id) == str(token):
            del self.leases[job_id]

    @rule(job_id=ids)
    def end_the_cleaning(self, job_id: str) -> None:
        release(self.redis, f"{PREFIX}lease:{job_id}", token=CLEANER)
        if self.leases.get(job_id) == CLEANER:
            del self.leases[job_id]

    # --- what must be true after it -----------------------------------------------------------------------------------

    def _jobs(self) -> Iterator[Job]:
        return (history[-1] for history in self.histories.values())

    @invariant()
    def the_state_is_the_last_one_written(self) -> None:
        for job in self._jobs():
            assert self.store.get(job.job_id) == job

    @invariant()
    def a_history_makes_sense(self) -> None:
        for history in self.histories.values():
            for before, after in pairwise(history):
                assert after.seq == before.seq + 1
                assert after.token >= before.token
                if before.is_terminal:
                    assert before.status in {JobStatus.FAILED, JobStatus.CANCELLED}
                    assert (after.status, after.attempt) == (JobStatus.QUEUED, before.attempt + 1)
                else:
                    assert after.attempt == before.attempt
                    assert after.percentage >= before.percentage

    @invariant()
    def every_claim_and_every_loss_has_a_new_token(self) -> None:
        for history in self.histories.values():
            for before, after in pairwise(history):
                is_claim = after.holder is not None and before.holder is None
                is_loss = after.deaths > before.deaths or after.status in {JobStatus.FAILED, JobStatus.CANCELLED}
                if is_claim or is_loss:
                    assert after.token > before.token

    @invariant()
    def each_change_has_one_event_in_order(self) -> None:
        for job_id, history in self.histories.items():
            entries = self._entries(job_id)
            ids = [tuple(int(part) for part in entry_id.split("-")) for entry_id, _ in entries]
            assert ids == sorted(set(ids))
            assert [message["data"] for _, message in entries] == [_as_json(event_of(job)) for job in history]
            assert len(entries) == history[-1].seq + 1
            last = self.store.last_event(job_id)
            assert last is not None
            assert last.type == (history[-1].status if history[-1].is_terminal else "progress")

    @invariant()
    def what_was_published_is_what_the_stream_has(self) -> None:
        self._hear()
        for job_id in self.histories:
            assert self.published[job_id] == [{"id": entry, **message} for entry, message in self._entries(job_id)]
        assert self.published.keys() == self.histories.keys()

    @invariant()
    def who_holds_a_lease_has_the_jobs_token(self) -> None:
        for job in self._jobs():
            key = f"{PREFIX}lease:{job.job_id}"
            lease = self.redis.get(key)
            assert lease == self.leases.get(job.job_id)
            assert lease is None or 0 < int(self.redis.pttl(key)) <= LEASE_MS
            if job.holder is not None:
                assert lease in {None, str(job.token)}
            elif lease not in {None, CLEANER}:
                assert int(lease) < job.token  # whoever stopped working has not let go yet

    @invariant()
    def sets_and_indexes_agree_with_the_states(self) -> None:
        found = list(self._jobs())
        assert self.redis.smembers(f"{PREFIX}active") == {job.job_id for job in found if not job.is_terminal}
        ended = {job.job_id: _ms(job.finished_at) for job in found if job.status in TERMINAL}
        scores = cast("list[tuple[str, float]]", self.redis.zrange(f"{PREFIX}finished", 0, -1, withscores=True))
        assert dict(scores) == ended
        for owner in ("", "anna"):
            own = [job for job in found if job.owner == owner]
            unfinished = {job.job_id for job in own if not job.is_terminal}
            assert self.redis.smembers(f"{PREFIX}active:{owner}") == unfinished
            assert self._index(owner) == [job.job_id for job in own]
            for status in JobStatus:
                assert self._index(f"{owner}:status:{status}") == [j.job_id for j in own if j.status is status]
            for name in ("same", "other"):
                same = [job for job in own if job.fingerprint == name]
                assert self._index(f"{owner}:video:{name}.mp4") == [job.job_id for job in same]
                runs = self.redis.get(f"{PREFIX}running:{owner}:{name}")
                assert runs == self.running.get((owner, name))
                assert runs is None or runs in unfinished

    @invariant()
    def the_reaper_looks_at_who_holds_a_stage_and_at_what_waits_for_a_worker(self) -> None:
        begun = [job for job in self._jobs() if not job.is_terminal and job.status is not JobStatus.QUEUED]
        for name, is_held in ((HELD, True), (UNTAKEN, False)):
            wanted = {job.job_id for job in begun if (job.holder is not None) is is_held}
            assert {str(job_id) for job_id in self.redis.zrange(name, 0, -1)} == wanted

    def _index(self, name: str) -> list[str]:
        return cast("list[str]", self.redis.zrange(f"{PREFIX}index:{name}", 0, -1))

    def _entries(self, job_id: str) -> list[tuple[str, Any]]:
        entries = cast("Entries", self.redis.xrange(f"{PREFIX}events:{job_id}"))
        return [(entry_id, json.loads(fields["message"])) for entry_id, fields in entries]

    def _hear(self) -> None:
        """Take in every message that was published before now: ours comes after them."""
        self.redis.publish(MARKER, "")
        while True:
            message = self.listener.get_message(timeout=10)
            assert message is not None, "a published message did not arrive"
            if message["channel"] == MARKER:
                return
            if message["type"] != "pmessage":
                continue
            self.published.setdefault(message["channel"].removeprefix(CHANNEL), []).append(json.loads(message["data"]))


def outcome_of(call: Callable[[], T]) -> T | Exception:
    """What the call gives, or the refusal that it raises."""
    try:
        return call()
    except (Refused, IdempotencyKeyReused, RateLimitExceeded) as refusal:
        return refusal


def _as_json(value: object) -> Any:
    return json.loads(json.dumps(value))


def _ms(moment: str | None) -> float:
    assert moment is not None
    return jobs.seconds_since("1970-01-01T00:00:00Z", moment) * 1000


@pytest.mark.timeout(900)  # a history that breaks something is shrunk for up to five minutes
def test_no_history_breaks_what_the_store_promises(store: JobStore) -> None:
    # SEARCH_WIDER=N looks at N histories that nobody has seen before.
    wider = int(os.environ.get("SEARCH_WIDER", "0"))
    run_state_machine_as_test(
        cast("Any", lambda: AnyHistory(store)),
        settings=settings(
            max_examples=wider or 60, stateful_step_count=30, deadline=None, derandomize=not wider, database=None
        ),
    )
