"""What a job that nobody works on waits for, as its state tells."""

from dataclasses import replace

import pytest

from shared import jobs
from shared.errors import CircuitOpen, KlipError, NetworkTimeout
from shared.jobs import Job, moved
from shared.representations import event_of
from shared.stages import STAGES
from shared.waiting import Waiting, waiting_of
from tests.jobs_made import NOW, claimed
from tests.jobs_made import new_job as queued


def put_back(error: KlipError, delay_s: float) -> Job:
    held = claimed(queued())
    return jobs.put_back(held, token=held.token, error=error, delay_s=delay_s, now=NOW)


def test_a_new_job_waits_for_its_turn() -> None:
    waiting = waiting_of(queued(), NOW)

    assert waiting is not None
    assert (waiting.reason, waiting.position, waiting.since) == ("turn", None, queued().created_at)


def test_a_job_at_work_or_at_its_end_waits_for_nothing() -> None:
    held = claimed(queued())

    assert waiting_of(held, NOW) is None
    assert waiting_of(jobs.cancel(queued(), now=NOW), NOW) is None
    assert event_of(held)["progress"]["waiting"] is None


def test_between_two_stages_it_waits_for_a_worker() -> None:
    held = claimed(queued())
    between = jobs.finish(held, token=held.token, seconds=1, now=NOW)

    waiting = waiting_of(between, NOW)

    assert waiting is not None
    assert (waiting.reason, waiting.since) == ("worker", NOW)
    assert event_of(between)["progress"]["waiting"] == waiting.as_dict()
    assert waiting.text == "Waiting for a worker"


@pytest.mark.parametrize(("error", "reason"), [(NetworkTimeout(), "retry"), (CircuitOpen(), "breaker")])
def test_a_stage_that_was_put_back_says_when_it_is_tried_again(error: KlipError, reason: str) -> None:
    job = put_back(error, 60)

    assert waiting_of(job, NOW) == Waiting(reason, NOW, moved(NOW, 60))
    after = waiting_of(job, moved(NOW, 61))
    assert after == Waiting("worker", moved(NOW, 60))


def test_the_wait_of_an_earlier_attempt_is_none_of_this_one() -> None:
    job = put_back(NetworkTimeout(), 60)
    again = jobs.retry(jobs.cancel(job, now=NOW), now=moved(NOW, 60))

    waiting = waiting_of(replace(again, stage=STAGES[0].name), NOW)

    assert waiting is not None
    assert waiting.reason == "turn"


@pytest.mark.parametrize(
    ("position", "text"),
    [
        (None, "Waiting for its turn"),
        (1, "Waiting, next in turn"),
        (2, "Waiting behind 1 other job"),
        (8, "Waiting behind 7 other jobs"),
    ],
)
def test_the_text_says_how_many_go_first(position: int | None, text: str) -> None:
    assert Waiting("turn", NOW, position=position).text == text
