"""Who may go to the queues, on a real Valkey: no job is lost, none is admitted twice, and owners take turns."""

from collections import Counter
from dataclasses import replace
from functools import partial
from typing import Any, cast

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from shared import jobs
from shared.errors import JobNotFound, NetworkTimeout, RateLimitExceeded
from shared.jobs import PRIORITIES, Job, Options, Refused, moved, utc_now
from shared.redis import keys
from shared.redis.admission import LOW_EVERY, OWNER_SHARE, PLACES_A_CHILD, STAGE_QUEUES, standing_of
from shared.redis.pools import say_alive
from shared.redis.store import JobStore
from shared.stages import STAGE_BY_NAME, STAGES, JobStatus

OWNERS = ("", "ann", "bob")
FIRST = STAGES[0].queue
LEAST_PLACES = PLACES_A_CHILD * len(STAGE_QUEUES)  # with no worker at all
PLENTY = 1000


def new_job(number: int, owner: str = "", priority: str = "normal") -> Job:
    now = utc_now()
    return Job(
        job_id=f"job{number:04}",
        owner=owner,
        url="file:a.mp4",
        source={"kind": "local", "ref": "a.mp4"},
        fingerprint=f"{number}",
        created_at=moved("2026-11-22T10:00:00.000Z", number),
        updated_at=now,
        waiting_since=now,
        options=Options(priority=priority),
    )


def submit(store: JobStore, number: int, owner: str = "", priority: str = "normal") -> str:
    return store.create(new_job(number, owner, priority), max_active=PLENTY).job.job_id


def claim(store: JobStore, job_id: str) -> Job:
    job = store.get(job_id)
    stage = STAGE_BY_NAME[str(job.stage)]
    transition = partial(jobs.claim, stage=stage, attempt=job.attempt, holder="w", now=utc_now())
    return store.change(job_id, transition, lease="take")


def finish(store: JobStore, job_id: str) -> Job:
    return store.change(job_id, lambda job: jobs.finish(job, token=job.token, seconds=1, now=utc_now()), lease="drop")


def complete(store: JobStore, job_id: str) -> None:
    while not store.get(job_id).is_terminal:
        claim(store, job_id)
        finish(store, job_id)


def owners_of(store: JobStore, job_ids: list[str]) -> list[str]:
    return [store.get(job_id).owner for job_id in job_ids]


# --- the rules --------------------------------------------------------------------------------------------------------


def test_of_five_hundred_jobs_of_one_owner_no_more_are_admitted_than_there_is_room_for(store: JobStore) -> None:
    for number in range(500):
        submit(store, number, "ann")

    admitted = store.admission.admit(limit=PLENTY)

    assert admitted == [f"job{number:04}" for number in range(PLACES_A_CHILD)]
    assert store.admission.admit(limit=PLENTY) == []


def test_an_owner_with_few_jobs_takes_turns_with_one_who_has_hundreds(store: JobStore) -> None:
    for number in range(100):
        submit(store, number, "ann")
    store.admission.admit(limit=PLENTY)
    few = [submit(store, number, "bob") for number in range(200, 203)]

    order: list[str] = []
    while not set(few) <= set(order):
        under_way = store.admission.under_way()
        complete(store, sorted(under_way)[0])
        order += store.admission.admit(limit=PLENTY)

    assert owners_of(store, order) == ["ann", "bob"] * 3 or owners_of(store, order) == [
        "bob",
        "ann",
        "bob",
        "ann",
        "bob",
    ]


def test_places_grow_with_the_children_of_live_workers(store: JobStore) -> None:
    say_alive(store.redis, worker="one", queues=[FIRST], children=4)
    say_alive(store.redis, worker="two", queues=[FIRST], children=3)
    for number in range(50):
        submit(store, number)

    assert len(store.admission.admit(limit=PLENTY)) == 7 * PLACES_A_CHILD


def test_jobs_that_pile_up_at_a_later_stage_keep_others_waiting_at_the_door(store: JobStore) -> None:
    for number in range(50):
        submit(store, number)
    while admitted := store.admission.admit(limit=PLENTY):
        for job_id in admitted:
            for _ in range(2):  # download and chat; transcription has no worker
                claim(store, job_id)
                finish(store, job_id)

    at_work = [store.get(job_id) for job_id in store.admission.under_way()]

    assert len(at_work) == LEAST_PLACES
    assert {job.stage for job in at_work} == {"transcribe"}


def test_what_waits_for_its_next_try_leaves_its_place_to_others_up_to_the_owners_share(store: JobStore) -> None:
    for number in range(100):
        submit(store, number, "ann")
    put_off = []
    while admitted := store.admission.admit(limit=PLENTY):
        for job_id in admitted:
            token = claim(store, job_id).token
            change = partial(jobs.put_back, token=token, error=NetworkTimeout(), delay_s=3600, now=utc_now())
            put_off.append(store.change(job_id, change, lease="drop").job_id)
    other = submit(store, 200, "bob")

    assert len(put_off) == OWNER_SHARE * LEAST_PLACES
    assert store.admission.admit(limit=PLENTY) == [other]


def test_low_jobs_get_every_fifth_admission_while_normal_ones_wait(store: JobStore) -> None:
    say_alive(store.redis, worker="one", queues=[FIRST], children=50)
    for number in range(30):
        submit(store, number, priority="low")
        submit(store, 100 + number, priority="normal")

    admitted = [store.get(job_id).options.priority for job_id in store.admission.admit(limit=20)]

    assert Counter(admitted) == {"normal": 16, "low": 4}
    assert all("low" in admitted[start : start + LOW_EVERY] for start in range(0, 20, LOW_EVERY))


def test_the_place_in_the_queue_is_the_order_of_admission(store: JobStore) -> None:
    numbers = iter(range(100))
    ids = [
        submit(store, next(numbers), owner) for owner, count in (("ann", 7), ("bob", 2), ("", 4)) for _ in range(count)
    ]
    ids.append(submit(store, next(numbers), "bob"))

    ahead = store.admission.ahead_of([store.get(job_id) for job_id in ids])

    say_alive(store.redis, worker="w", queues=list(STAGE_QUEUES), children=PLENTY)
    assert sorted(ids, key=lambda job_id: ahead[job_id] or 0) == store.admission.admit(limit=PLENTY)
    assert sorted(ahead.values(), key=lambda count: count or 0) == list(range(14))
    assert set(store.admission.ahead_of([store.get(job_id) for job_id in ids]).values()) == {None}


def test_the_place_in_the_queue_counts_the_other_priority_in(store: JobStore) -> None:
    normal = [submit(store, number, "ann") for number in range(10)]
    low = [submit(store, number, "bob", "low") for number in range(10, 13)]

    ahead = store.admission.ahead_of([store.get(job_id) for job_id in (*normal, *low)])

    say_alive(store.redis, worker="w", queues=list(STAGE_QUEUES), children=PLENTY)
    order = store.admission.admit(limit=PLENTY)
    assert [ahead[job_id] for job_id in order] == list(range(13))


def test_a_job_is_seen_with_its_place_in_the_queue(store: JobStore) -> None:
    normal = [submit(store, number, "ann") for number in range(10)]
    low = [submit(store, number, "bob", "low") for number in range(10, 13)]
    waiting = [store.get(job_id) for job_id in (*normal, *low)]
    ahead = store.admission.ahead_of(waiting)

    seen = {job.job_id: store.look(job.job_id, owner=job.owner) for job in waiting}

    assert {job_id: one.ahead for job_id, one in seen.items()} == ahead
    assert [one.job for one in seen.values()] == waiting
    (first,) = store.admission.admit(limit=1)
    assert store.look(first, owner="ann").ahead is None
    assert store.look(normal[-1], owner="bob").ahead is None
    with pytest.raises(JobNotFound):
        store.look("nobody", owner="ann")


def test_a_submission_goes_to_the_queues_at_once_while_there_are_places(store: JobStore) -> None:
    done = [store.submit(new_job(number), max_active=PLENTY, admit=3) for number in range(PLACES_A_CHILD + 2)]

    ids = [one.seen.job.job_id for one in done]
    admitted, waiting = ids[:PLACES_A_CHILD], ids[PLACES_A_CHILD:]
    assert [one.admitted for one in done] == [*((job_id,) for job_id in admitted), (), ()]
    assert [one.seen.ahead for one in done] == [None] * PLACES_A_CHILD + [0, 1]
    assert all(store.look(one.seen.job.job_id, owner="") == one.seen for one in done)
    again = store.submit(new_job(PLACES_A_CHILD + 1), max_active=PLENTY, admit=3)
    assert (again.is_new, again.admitted, again.seen) == (False, (), done[-1].seen)
    complete(store, admitted[0])
    assert store.submit(new_job(PLENTY), max_active=PLENTY, admit=3).admitted == (waiting[0],)


def test_low_jobs_do_not_wait_when_there_is_nothing_else(store: JobStore) -> None:
    job_id = submit(store, 1, priority="low")

    assert store.admission.admit(limit=1) == [job_id]


def test_a_cancelled_job_does_not_wait_any_more(store: JobStore) -> None:
    job_id = submit(store, 1, "ann")

    store.change(job_id, partial(jobs.cancel, now=utc_now()))

    assert store.admission.admit(limit=PLENTY) == []
    assert store.redis.keys("klip:waiting:*") == []


def test_a_job_that_is_nowhere_is_enrolled_once(store: JobStore) -> None:
    job_id = submit(store, 1, "ann")
    store.redis.delete(keys.waiting(FIRST, "normal", "ann"), keys.waiting_owners(FIRST, "normal"))
    job = store.get(job_id)

    assert store.admission.enrol(job)
    assert not store.admission.enrol(job)
    assert store.admission.admit(limit=PLENTY) == [job_id]
    assert not store.admission.enrol(job)


def test_a_job_that_changed_since_it_was_seen_is_not_enrolled(store: JobStore) -> None:
    seen = store.get(submit(store, 1))
    store.change(seen.job_id, partial(jobs.cancel, now=utc_now()))

    assert not store.admission.enrol(seen)


def test_a_retry_counts_against_the_unfinished_jobs_of_its_owner(store: JobStore) -> None:
    job_id = submit(store, 1, "ann")
    store.change(job_id, partial(jobs.cancel, now=utc_now()))
    for number in (2, 3):
        submit(store, number, "ann")
    again = partial(jobs.retry, now=utc_now())

    with pytest.raises(RateLimitExceeded):
        store.change(job_id, again, max_active=2)

    assert store.get(job_id).status is JobStatus.CANCELLED
    assert store.change(job_id, again, max_active=3).attempt == 2


# --- any history ------------------------------------------------------------------------------------------------------


class AnyQueue(RuleBasedStateMachine):
    """Holds beside the lists in Redis which jobs there are and in which order they were admitted."""

    ids: Bundle[str] = Bundle("ids")

    def __init__(self, store: JobStore) -> None:
        super().__init__()
        self.store, self.redis = store, store.redis
        self.redis.flushdb()
        self.number = 0
        self.admitted: set[tuple[str, int]] = set()  # jobs and their attempts
        self.jobs: dict[str, Job] = {}
        self.children = dict.fromkeys(STAGE_QUEUES, 1)
        # Who was admitted since this owner has been waiting for its turn, by queue, priority and owner.
        self.passed_over: dict[tuple[str, str, str], list[str]] = {}

    @rule(target=ids, owner=st.sampled_from(OWNERS), priority=st.sampled_from(PRIORITIES))
    def submit(self, owner: str, priority: str) -> str:
        self.number += 1
        job_id = submit(self.store, self.number, owner, priority)
        self._see(job_id)
        return job_id

    @rule(owner=st.sampled_from(OWNERS), count=st.integers(2, 12))
    def submit_many(self, owner: str, count: int) -> None:
        for _ in range(count):
            self.submit(owner, "normal")

    @rule(queue=st.sampled_from(STAGE_QUEUES), children=st.integers(1, 4))
    def scale(self, queue: str, children: int) -> None:
        self.redis.delete(keys.workers(queue))
        say_alive(self.redis, worker="w", queues=[queue], children=children)
        self.children[queue] = children

    @rule(limit=st.sampled_from((1, 3, PLENTY)))
    def admit(self, limit: int) -> None:
        for job_id in (admitted := self.store.admission.admit(limit=limit)):
            self._take_note(self.jobs[job_id])
        assert len(admitted) <= limit
        due = {queue: self._due(queue) for queue in STAGE_QUEUES}
        places = {queue: PLACES_A_CHILD * self.children[queue] for queue in STAGE_QUEUES}
        if admitted:
            assert sum(due.values()) <= sum(places.values())
        for job_id in admitted:
            queue = str(self._queue_of(self.jobs[job_id]))
            assert due[queue] <= places[queue]
        if limit == PLENTY and sum(due.values()) < sum(places.values()):
            free = [queue for queue in STAGE_QUEUES if due[queue] < places[queue]]
            # OWNER_SHARE of the places is more than a history of this length fills.
            assert [key for key in self._waiting() if key[0] in free] == []

    def _take_note(self, job: Job) -> None:
        assert (job.job_id, job.attempt) not in self.admitted
        assert not job.is_terminal
        self.admitted.add((job.job_id, job.attempt))
        queue, priority = str(self._queue_of(job)), job.options.priority
        for key, passed in self.passed_over.items():
            if key[:2] == (queue, priority) and key[2] != job.owner:
                assert job.owner not in passed, f"{job.owner} had two turns while {key[2]} waited"
                passed.append(job.owner)
        self.passed_over.pop((queue, priority, job.owner), None)
        if (queue, priority, job.owner) in self._waiting():
            self.passed_over[queue, priority, job.owner] = []

    @rule(job_id=ids)
    def claim(self, job_id: str) -> None:
        """A worker gets the message of an admitted job."""
        job = self.jobs[job_id]
        if (job_id, job.attempt) in self.admitted and not job.is_terminal and job.holder is None:
            claim(self.store, job_id)
            self._see(job_id)

    @rule(job_id=ids)
    def pass_stages(self, job_id: str) -> None:
        for _ in STAGES[:3]:
            self.claim(job_id)
            self.end(job_id, "finish")

    @rule(job_id=ids, how=st.sampled_from(("finish", "put off", "give back", "lose", "fail")))
    def end(self, job_id: str, how: str) -> None:
        token, now = self.jobs[job_id].token, utc_now()
        changes: dict[str, Any] = {
            "finish": partial(jobs.finish, token=token, seconds=1, now=now),
            "put off": partial(jobs.put_back, token=token, error=NetworkTimeout(), delay_s=3600, now=now),
            "give back": partial(jobs.give_back, token=token, now=now),
            "lose": partial(jobs.lose, token=token, now=now),
            "fail": partial(jobs.fail, token=token, error=NetworkTimeout(), now=now),
        }
        self._try(job_id, changes[how])

    @rule(job_id=ids, how=st.sampled_from((jobs.cancel, jobs.retry)))
    def change_ones_mind(self, job_id: str, how: Any) -> None:
        self._try(job_id, partial(how, now=utc_now()))

    def _try(self, job_id: str, change: Any) -> None:
        try:
            self.store.change(job_id, change, lease="drop")
        except Refused:
            return
        self._see(job_id)

    @rule(job_id=ids)
    def enrol(self, job_id: str) -> None:
        if not self.jobs[job_id].is_terminal:
            assert not self.store.admission.enrol(self.jobs[job_id])

    def _see(self, job_id: str) -> None:
        """Look at what became of the job, and begin to count the turns of an owner who waits from now on."""
        self.jobs[job_id] = self.store.get(job_id)
        waiting = self._waiting()
        self.passed_over = {key: passed for key, passed in self.passed_over.items() if key in waiting}
        for key in waiting:
            self.passed_over.setdefault(key, [])

    def _waiting(self) -> set[tuple[str, str, str]]:
        return {
            (str(self._queue_of(job)), job.options.priority, job.owner)
            for job in self.jobs.values()
            if job.status is JobStatus.QUEUED and (job.job_id, job.attempt) not in self.admitted
        }

    def _queue_of(self, job: Job) -> str | None:
        stands = standing_of(job)
        return stands.queue if stands else None

    def _due(self, queue: str) -> int:
        now = utc_now()
        here = [job for job in self.jobs.values() if self._queue_of(job) == queue]
        admitted = [job for job in here if (job.job_id, job.attempt) in self.admitted]
        return sum(job.holder is not None or str(job.waiting_since) <= now for job in admitted)

    @invariant()
    def every_unfinished_job_is_in_one_place_and_no_other_is(self) -> None:
        found: Counter[tuple[str, str]] = Counter()
        for queue in STAGE_QUEUES:
            found.update((str(job_id), queue) for job_id in self.redis.zrange(keys.underway(queue), 0, -1))
            for priority in PRIORITIES:
                for owner in OWNERS:
                    name = keys.waiting(queue, priority, owner)
                    found.update((str(job_id), queue) for job_id in self.redis.zrange(name, 0, -1))
        assert found == Counter((job.job_id, self._queue_of(job)) for job in self.jobs.values() if not job.is_terminal)

    @invariant()
    def who_waits_is_in_turn(self) -> None:
        waiting = self._waiting()
        for queue in STAGE_QUEUES:
            for priority in PRIORITIES:
                owners = {str(owner) for owner in self.redis.zrange(keys.waiting_owners(queue, priority), 0, -1)}
                assert owners == {key[2] for key in waiting if key[:2] == (queue, priority)}

    @invariant()
    def the_reaper_looks_at_every_job_under_way(self) -> None:
        admitted = [job for job in self.jobs.values() if (job.job_id, job.attempt) in self.admitted]
        under_way = [job for job in admitted if not job.is_terminal]
        for name, is_held in ((keys.HELD, True), (keys.UNTAKEN, False)):
            wanted = {job.job_id for job in under_way if (job.holder is not None) is is_held}
            assert {str(job_id) for job_id in self.redis.zrange(name, 0, -1)} == wanted

    @invariant()
    def an_owner_has_under_way_what_was_admitted(self) -> None:
        for owner in OWNERS:
            own = {job.job_id for job in self.jobs.values() if job.owner == owner and not job.is_terminal}
            admitted = {job_id for job_id in own if (job_id, self.jobs[job_id].attempt) in self.admitted}
            assert self.redis.smembers(keys.underway_of(owner)) == admitted


@pytest.mark.timeout(900)  # a history that breaks something is shrunk for up to five minutes
def test_no_history_loses_a_job_or_lets_an_owner_push_in(store: JobStore) -> None:
    run_state_machine_as_test(
        cast("Any", lambda: AnyQueue(store)),
        settings=settings(max_examples=60, stateful_step_count=40, deadline=None, derandomize=True, database=None),
    )


def test_a_job_whose_clock_is_ahead_counts_when_it_is_due(store: JobStore) -> None:
    ahead = replace(new_job(1), waiting_since=moved(utc_now(), 3600))
    store.create(ahead, max_active=1)

    assert store.admission.admit(limit=1) == [ahead.job_id]
