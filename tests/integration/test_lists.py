"""Lists of jobs in a real Valkey: what is asked for, whole and once, at a bounded cost."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from shared import jobs
from shared.jobs import Job, moved, ms_of, utc_now
from shared.records import Video
from shared.redis import lists
from shared.redis.keys import PREFIX, TURNS
from shared.redis.lists import Page, Wanted
from shared.redis.store import JobStore
from shared.stages import STAGES, JobStatus
from tests.jobs_made import cancel, numbered_job

BEGAN = "2026-11-22T10:00:00.000Z"
WHOEVER = Wanted(owner="")


def make(store: JobStore, number: int, *, channel: str | None = None, **changes: Any) -> Job:
    """A job of the minute of its number."""
    job = replace(numbered_job(number), created_at=moved(BEGAN, 60 * number), **changes)
    store.create(job, max_active=10_000)
    if channel is None:
        return job
    claim = partial(jobs.claim, stage=STAGES[0], attempt=1, holder="w", now=utc_now())
    held = store.change(job.job_id, claim, lease="take")
    video = Video(id="v", source="local", title=f"Night {number}", channel=channel)
    finish = partial(jobs.finish, token=held.token, seconds=1, now=utc_now(), video=video)
    return store.change(job.job_id, finish, lease="drop")


def walked(store: JobStore, wanted: Wanted, limit: int) -> Iterator[Page]:
    cursor = None
    while True:
        page = store.lists.page(wanted, limit=limit, cursor=cursor)
        yield page
        cursor = page.next_cursor
        if cursor is None:
            return


def ids(store: JobStore, limit: int = 100, **wanted: Any) -> list[str]:
    pages = walked(store, Wanted(owner="", **wanted), limit)
    return [job.job_id for page in pages for job in page.jobs]


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 100])
def test_all_are_listed_once_newest_or_oldest_first(store: JobStore, limit: int) -> None:
    made = [make(store, number).job_id for number in range(1, 8)]

    assert ids(store, limit) == made[::-1]
    assert ids(store, limit, oldest_first=True) == made
    assert [page.total for page in walked(store, WHOEVER, limit)] == [7] * -(-7 // limit)
    assert ids(store, limit, from_ms=ms_of(moved(BEGAN, 120)), before_ms=ms_of(moved(BEGAN, 300))) == made[1:4][::-1]


def test_each_thing_that_can_be_asked_for_narrows_the_list(store: JobStore) -> None:
    plain = make(store, 1).job_id
    twitch = make(store, 2, source={"kind": "twitch", "ref": "7"}, video_id="7").job_id
    marked = make(store, 3, metadata={"episode": "42", "team": "clips"}).job_id
    other = make(store, 4, metadata={"episode": "42", "team": "news"}).job_id
    named = make(store, 5, channel="MoonMoon").job_id
    gone = make(store, 6, owner="else").job_id
    cancel(store, plain)

    assert ids(store, source="twitch") == [twitch]
    assert ids(store, video_id="7") == [twitch]
    assert ids(store, metadata=(("episode", "42"),)) == [other, marked]
    assert ids(store, metadata=(("episode", "42"), ("team", "clips"))) == [marked]
    assert ids(store, metadata=(("episode", "4"),)) == []
    assert ids(store, channel="moonmoon") == [named]
    assert ids(store, text="NIGHT 5") == ids(store, text="moonm") == [named]
    assert ids(store, text="news") == [other]
    assert ids(store, statuses=frozenset({JobStatus.CANCELLED, JobStatus.DOWNLOADING})) == [named, plain]
    assert ids(store, statuses=frozenset({JobStatus.QUEUED}), source="local") == [other, marked]
    assert gone not in ids(store)


def test_the_total_is_right_or_not_told(store: JobStore, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(1, 7):
        make(store, number, metadata={"parity": str(number % 2)})
    cancel(store, "job1")

    def total(**wanted: Any) -> int | None:
        return store.lists.page(Wanted(owner="", **wanted), limit=2).total

    odd = (("parity", "1"),)
    assert total(metadata=odd) == 3
    assert total(statuses=frozenset({JobStatus.QUEUED}), metadata=odd) == 2
    assert total(statuses=frozenset({JobStatus.QUEUED, JobStatus.CANCELLED})) == 6
    monkeypatch.setattr(lists, "MOST_COUNTED", 2)
    assert total(text="a") is None
    assert total(metadata=odd) == 3


def test_jobs_of_the_same_millisecond_are_all_listed_once(store: JobStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lists, "BATCH", 3)
    for number in range(1, 12):
        store.create(replace(numbered_job(number), created_at=BEGAN), max_active=50)

    assert sorted(ids(store, 2)) == sorted(ids(store, 4, oldest_first=True)) == sorted(f"job{n}" for n in range(1, 12))


def test_a_cursor_stays_good_when_jobs_come_go_and_change(store: JobStore) -> None:
    for number in range(1, 10):
        make(store, number)
    first = store.lists.page(WHOEVER, limit=3)
    assert [job.job_id for job in first.jobs] == ["job9", "job8", "job7"]

    make(store, 10)
    store.delete(cancel(store, "job7"))
    store.delete(cancel(store, "job5"))
    second = store.lists.page(WHOEVER, limit=3, cursor=first.next_cursor)

    assert [job.job_id for job in second.jobs] == ["job6", "job4", "job3"]


def test_a_page_ends_when_enough_was_read_and_the_next_goes_on(
    store: JobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lists, "MOST_READ", 4)
    monkeypatch.setattr(lists, "BATCH", 2)
    made = [make(store, number, metadata={"word": "rare" if number in {2, 9} else "common"}) for number in range(1, 13)]

    pages = list(walked(store, Wanted(owner="", text="rare"), 5))

    assert [job.job_id for page in pages for job in page.jobs] == [made[8].job_id, made[1].job_id]
    assert [len(page.jobs) for page in pages] == [1, 0, 1, 0]


def test_a_removed_job_leaves_every_list(store: JobStore) -> None:
    make(store, 1, channel="moon", metadata={"a": "b"})
    assert len(list(store.redis.scan_iter(f"{PREFIX}index:*"))) == 6

    store.delete(cancel(store, "job1"))

    assert set(store.redis.scan_iter(f"{PREFIX}index:*")) == set()
    assert TURNS in set(store.redis.scan_iter(f"{PREFIX}*"))


def test_a_job_whose_channel_changes_its_name_moves_on(store: JobStore) -> None:
    job = make(store, 1, channel="moon")
    assert job.video is not None

    renamed = replace(job, video=replace(job.video, channel="sun"), seq=job.seq + 1)
    store.change("job1", lambda _: renamed)

    assert (ids(store, channel="moon"), ids(store, channel="sun")) == ([], ["job1"])
    assert store.lists.page(Wanted(owner="", channel="moon"), limit=1).total == 0


@pytest.mark.parametrize("cursor", ["x", "1", "-", "²-a", "9" * 90 + "-x" * 10])
def test_what_is_no_cursor_is_refused(store: JobStore, cursor: str) -> None:
    with pytest.raises(ValueError, match="not a cursor"):
        store.lists.page(WHOEVER, limit=1, cursor=cursor)
