"""Old jobs and their files, in a real Valkey and a folder."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from shared import jobs
from shared.artifacts.folder import FolderStore
from shared.errors import JobNotFound, StorageServiceError
from shared.jobs import moved, utc_now
from shared.redis.store import JobStore
from tests.jobs_made import claim, numbered_job
from workers.delivery.retention import remove_cancelled, remove_old_jobs


@pytest.fixture
def artifacts(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "artifacts")


def ended(store: JobStore, artifacts: FolderStore, number: int, *, days_ago: float) -> str:
    job = numbered_job(number)
    store.create(job, max_active=1000)
    store.change(job.job_id, partial(jobs.cancel, now=moved(utc_now(), -days_ago * 86_400)), lease="drop")
    artifacts.write(job.job_id, "manifest.json", b"{}", generation=None)
    return job.job_id


def test_old_jobs_go_with_their_files_and_younger_ones_stay(store: JobStore, artifacts: FolderStore) -> None:
    old = ended(store, artifacts, 1, days_ago=31)
    young = ended(store, artifacts, 2, days_ago=29)

    assert remove_old_jobs(store, artifacts, days=30) == 1

    with pytest.raises(JobNotFound):
        store.get(old)
    assert artifacts.names(old) == []
    assert store.get(young).job_id == young
    assert artifacts.names(young) == ["manifest.json"]


def test_more_than_one_batch_is_removed(store: JobStore, artifacts: FolderStore) -> None:
    for number in range(10, 40):
        ended(store, artifacts, number, days_ago=40)

    assert remove_old_jobs(store, artifacts, days=30) == 30
    assert store.finished_before("2100-01-01T00:00:00Z") == []


def test_a_running_job_is_never_removed(store: JobStore, artifacts: FolderStore) -> None:
    store.create(numbered_job(), max_active=1)
    claim(store, "job1")

    assert remove_old_jobs(store, artifacts, days=0.0001) == 0
    assert store.get("job1").holder == "w"


def test_a_job_that_was_retried_meanwhile_stays(store: JobStore, artifacts: FolderStore) -> None:
    class Meanwhile(JobStore):
        @contextmanager
        def held(self, job_id: str) -> Iterator[bool]:
            self.change(job_id, partial(jobs.retry, now=utc_now()))
            with super().held(job_id) as here:
                yield here

    ended(store, artifacts, 1, days_ago=40)

    assert remove_old_jobs(Meanwhile(store.redis), artifacts, days=30) == 0
    assert store.get("job1").attempt == 2
    assert artifacts.names("job1") == ["manifest.json"]


def test_a_job_whose_files_can_not_be_removed_is_found_again(store: JobStore, artifacts: FolderStore) -> None:
    class Broken(FolderStore):
        def delete(self, job_id: str, names: list[str] | None = None) -> None:
            raise StorageServiceError

    ended(store, artifacts, 1, days_ago=40)
    with pytest.raises(StorageServiceError):
        remove_old_jobs(store, Broken(artifacts.root), days=30)

    with store.held("job1") as here:
        assert here
    assert remove_old_jobs(store, artifacts, days=30) == 1


MINUTE_IN_DAYS = 1 / 1440


def test_a_cancelled_jobs_files_are_kept_for_a_while_and_then_go(store: JobStore, artifacts: FolderStore) -> None:
    old = ended(store, artifacts, 1, days_ago=61 * MINUTE_IN_DAYS)
    young = ended(store, artifacts, 2, days_ago=59 * MINUTE_IN_DAYS)

    assert remove_cancelled(store, artifacts, keep_minutes=60) == 1

    assert artifacts.names(old) == []
    assert artifacts.names(young) == ["manifest.json"]
    assert (store.get(old).files_removed, store.get(young).files_removed) == (True, False)
    assert remove_cancelled(store, artifacts, keep_minutes=60) == 0


def test_files_of_a_cancelled_job_that_is_tried_again_stay(store: JobStore, artifacts: FolderStore) -> None:
    job_id = ended(store, artifacts, 1, days_ago=1)
    store.change(job_id, partial(jobs.retry, now=utc_now()))

    assert remove_cancelled(store, artifacts, keep_minutes=0) == 0
    assert artifacts.names(job_id) == ["manifest.json"]


def test_files_of_a_cancelled_job_wait_while_somebody_works_on_it(store: JobStore, artifacts: FolderStore) -> None:
    job_id = ended(store, artifacts, 1, days_ago=1)

    with store.held(job_id) as here:
        assert here
        assert remove_cancelled(store, artifacts, keep_minutes=0) == 0

    assert remove_cancelled(store, artifacts, keep_minutes=0) == 1


class _FailsOn(FolderStore):
    """A folder in which one job's files can't be removed."""

    poison = ""

    def delete(self, job_id: str, names: list[str] | None = None) -> None:
        if job_id == self.poison:
            raise StorageServiceError
        super().delete(job_id, names)


def test_files_that_cannot_be_removed_keep_no_others(store: JobStore, tmp_path: Path) -> None:
    artifacts = _FailsOn(tmp_path / "artifacts")
    artifacts.poison = ended(store, artifacts, 1, days_ago=2)
    other = ended(store, artifacts, 2, days_ago=1)

    assert remove_cancelled(store, artifacts, keep_minutes=0) == 1
    assert artifacts.names(other) == []

    # When it can be removed again
    artifacts.poison = ""
    assert remove_cancelled(store, artifacts, keep_minutes=0) == 1
    assert artifacts.names("job1") == []
