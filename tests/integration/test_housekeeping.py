"""What is left on a machine's disk by the dead and the done, with real files, processes and Valkey."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from threading import Thread

import pytest

from shared import jobs
from shared.artifacts.cache import KEPT_UNUSED_S, LEFT_BEHIND_S, PINNED_GROUPS, FileCache
from shared.artifacts.folder import FolderStore
from shared.jobs import Job, utc_now
from shared.redis.connection import connect
from shared.redis.embedded import free_port
from shared.redis.store import JobStore
from shared.settings import Settings
from shared.work_folder import occupy, remove_unless_occupied
from tasks.workspace import Workspace
from tests.conftest import ROOT, wait_until
from tests.jobs_made import cancel, claim, numbered_job
from workers.delivery.orphans import HALF_WRITTEN_S, remove_orphans
from workers.housekeeping import EVERY_S, clean, clean_if_due, start_if_due

DAY_S = 24 * 3600
STRAY = "0123456789abcdef" * 2


def left_by(config: Settings, job_id: str, stage: str, *, age_s: float = 0.0) -> Path:
    """A stage's folder with half a file in it."""
    folder = config.data_dir / "work" / job_id / stage
    (folder / "pieces").mkdir(parents=True)
    (folder / "pieces" / "half.part").write_bytes(b"x")
    for path in (folder / "pieces" / "half.part", folder / "pieces", folder):
        make_old(path, age_s)
    return folder


def make_old(path: Path, age_s: float) -> None:
    then = time.time() - age_s
    os.utime(path, (then, then))


def started(store: JobStore) -> Job:
    store.create(numbered_job(), max_active=5)
    return claim(store, "job1")


def through_download(store: JobStore) -> Job:
    token = started(store).token
    return store.change("job1", partial(jobs.finish, token=token, seconds=1, now=utc_now()), lease="drop")


@contextmanager
def process_working_in(folder: Path) -> Iterator["subprocess.Popen[str]"]:
    script = f"""
import sys
from pathlib import Path
from shared.work_folder import occupy
occupy(Path({str(folder)!r}))
print("there", flush=True)
sys.stdin.read()
"""
    command = [sys.executable, "-c", script]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "there\n"
        try:
            yield process
        finally:
            process.kill()


# --- folders of stages ------------------------------------------------------------------------------------------------


def test_what_a_dead_stage_of_an_ended_or_unknown_job_left_is_removed(config: Settings, store: JobStore) -> None:
    started(store)
    cancel(store, "job1")
    of_cancelled, of_nobody = left_by(config, "job1", "download"), left_by(config, "removed", "analyze")

    clean(config, store)

    assert not of_cancelled.parent.exists()
    assert not of_nobody.parent.exists()


def test_the_stage_that_a_running_job_is_at_keeps_its_folder_however_old(config: Settings, store: JobStore) -> None:
    started(store)
    folder = left_by(config, "job1", "download", age_s=30 * DAY_S)

    clean(config, store)

    assert (folder / "pieces" / "half.part").exists()


def test_a_stage_that_was_finished_elsewhere_leaves_nothing_here(config: Settings, store: JobStore) -> None:
    assert through_download(store).stage == "chat"
    download, chat = left_by(config, "job1", "download"), left_by(config, "job1", "chat")

    clean(config, store)

    assert not download.exists()
    assert chat.exists()


def test_what_an_earlier_attempt_left_of_a_later_stage_stays_for_a_day(config: Settings, store: JobStore) -> None:
    started(store)
    old, young = left_by(config, "job1", "analyze", age_s=DAY_S + 60), left_by(config, "job1", "transcribe")

    clean(config, store)

    assert not old.exists()
    assert young.exists()


def test_nobody_loses_the_folder_under_his_feet_until_he_is_dead(config: Settings, store: JobStore) -> None:
    started(store)
    folder = left_by(config, "job1", "download")
    with process_working_in(folder) as process:
        cancel(store, "job1")
        clean(config, store)
        assert (folder / "pieces" / "half.part").exists()

        process.send_signal(signal.SIGKILL)
        process.wait(10)
        clean(config, store)
        assert not folder.parent.exists()


def test_a_stage_that_was_given_away_does_not_remove_what_its_successor_works_with(
    config: Settings, store: JobStore
) -> None:
    root, artifacts = config.data_dir / "work", FolderStore(config.data_dir / "artifacts")
    late = Workspace(started(store), "download", store=artifacts, root=root)
    with process_working_in(late.folder):
        (late.folder / "of the successor").touch()

        late.remove()

        assert (late.folder / "of the successor").exists()


def test_a_stage_that_is_put_back_leaves_its_folder_to_the_one_that_goes_on(config: Settings, store: JobStore) -> None:
    root, artifacts = config.data_dir / "work", FolderStore(config.data_dir / "artifacts")
    job = started(store)
    first = Workspace(job, "download", store=artifacts, root=root)
    (first.folder / "half").touch()
    first.leave()

    second = Workspace(job, "download", store=artifacts, root=root)

    assert (second.folder / "half").exists()
    second.remove()
    assert not first.folder.parent.exists()


def test_a_stage_that_is_retried_while_its_folder_is_cleaned_keeps_every_file_it_writes(tmp_path: Path) -> None:
    folder = tmp_path / "job" / "stage"
    ended: list[bool] = []

    def clean_all_the_time() -> None:
        while not ended:
            remove_unless_occupied(folder)

    cleaners = [Thread(target=clean_all_the_time) for _ in range(2)]
    for cleaner in cleaners:
        cleaner.start()
    try:
        for number in range(500):
            descriptor = occupy(folder)
            (folder / f"{number}").write_bytes(b"x")
            (folder / "deeper").mkdir(exist_ok=True)
            (folder / "deeper" / "file").write_bytes(b"x")
            assert (folder / f"{number}").exists()
            os.close(descriptor)
    finally:
        ended.append(True)
        for cleaner in cleaners:
            cleaner.join()


def test_while_redis_can_not_be_asked_no_stage_loses_anything(config: Settings) -> None:
    folder = left_by(config, "job1", "download", age_s=30 * DAY_S)
    with connect(replace(config, redis_url=f"redis://127.0.0.1:{free_port()}"), retries=0) as nobody:
        clean(config, JobStore(nobody))

    assert folder.exists()


# --- the cache --------------------------------------------------------------------------------------------------------


def test_what_nobody_asked_for_in_a_week_leaves_the_cache_and_what_is_used_stays(
    config: Settings, store: JobStore
) -> None:
    def fill(path: Path) -> None:
        path.write_text("x")

    def fetched(name: str, *, age_s: float, by: FileCache) -> Path:
        path = by.get(name, group="g", fill=fill, check=lambda _path: True)
        make_old(path, age_s)
        return path

    here = FileCache(config.data_dir / "cache")
    in_use = fetched("in use", age_s=KEPT_UNUSED_S + 60, by=here)
    left = FileCache(here.root)
    young, old = (fetched(name, age_s=KEPT_UNUSED_S + s, by=left) for name, s in (("young", -60), ("old", 60)))
    for number in range(PINNED_GROUPS):
        left.get("other", group=f"other {number}", fill=fill, check=lambda _path: True)
    half = here.root / ".new-half"
    half.mkdir()
    make_old(half, LEFT_BEHIND_S + 60)

    clean(config, store)

    assert in_use.exists()
    assert young.exists()
    assert not old.exists()
    assert not half.exists()


# --- whose turn it is -------------------------------------------------------------------------------------------------


def test_a_machine_is_cleaned_once_in_a_while_only(config: Settings, store: JobStore) -> None:
    assert clean_if_due(config, store)
    folder = left_by(config, "removed", "download")

    assert not clean_if_due(config, store)
    assert start_if_due(config, store) is None
    assert folder.exists()

    make_old(config.data_dir / "run" / "housekeeping", EVERY_S + 1)
    thread = start_if_due(config, store)
    assert thread is not None
    thread.join(10)
    assert not folder.exists()


def test_a_clock_that_was_set_back_does_not_put_cleaning_off(config: Settings, store: JobStore) -> None:
    clean_if_due(config, store)
    make_old(config.data_dir / "run" / "housekeeping", -DAY_S)

    assert clean_if_due(config, store)


def test_of_processes_that_start_together_one_cleans(config: Settings, store: JobStore) -> None:
    turns: list[bool] = []
    threads = [Thread(target=lambda: turns.append(clean_if_due(config, store))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(turns) == [*[False] * 7, True]


def test_a_disk_that_can_not_be_written_stops_nobody(config: Settings, store: JobStore) -> None:
    config.data_dir.mkdir()
    (config.data_dir / "run").write_text("a file in the way")

    assert not clean_if_due(config, store)


def test_a_worker_cleans_up_after_its_predecessor_when_it_starts(config: Settings, store: JobStore) -> None:
    folder = left_by(config, "removed", "download")
    assert config.redis_url is not None
    environment = {**os.environ, "DATA_DIR": str(config.data_dir), "REDIS_URL": config.redis_url}
    command = [sys.executable, "-m", "celery", "-A", "tests.integration.scripted_stages", "worker", "-c", "1"]
    with (config.data_dir / "worker.log").open("wb") as log:
        worker = subprocess.Popen([*command, "-Q", "download"], env=environment, cwd=ROOT, stdout=log, stderr=log)
    try:
        wait_until(lambda: not folder.exists(), seconds=60)
    finally:
        worker.terminate()
        worker.wait(20)


# --- artifacts --------------------------------------------------------------------------------------------------------


@pytest.fixture
def artifacts(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "artifacts")


def stored(artifacts: FolderStore, job_id: str, *, age_s: float) -> Path:
    artifacts.write(job_id, "manifest.json", b"{}", generation=None)
    for path in (artifacts.root / job_id / "manifest.json", artifacts.root / job_id):
        make_old(path, age_s)
    return artifacts.root / job_id


def test_files_of_a_job_that_nobody_knows_go_when_its_time_is_over(store: JobStore, artifacts: FolderStore) -> None:
    stray = stored(artifacts, STRAY, age_s=31 * DAY_S)

    assert remove_orphans(store, artifacts.root, days=32) == 0
    assert remove_orphans(store, artifacts.root, days=30) == 1
    assert not stray.exists()


def test_files_of_a_job_that_is_known_or_of_somebody_else_stay(store: JobStore, artifacts: FolderStore) -> None:
    store.create(replace(numbered_job(), job_id=STRAY), max_active=5)
    known, foreign = (stored(artifacts, name, age_s=99 * DAY_S) for name in (STRAY, "holiday-pictures"))

    assert remove_orphans(store, artifacts.root, days=30) == 0
    assert known.exists()
    assert foreign.exists()


def test_a_half_written_file_goes_after_a_day_and_the_rest_of_its_job_stays(
    store: JobStore, artifacts: FolderStore
) -> None:
    folder = stored(artifacts, STRAY, age_s=0)
    old, young = folder / ".new-old", folder / ".new-young"
    for path, age_s in ((old, HALF_WRITTEN_S + 60), (young, 60)):
        path.touch()
        make_old(path, age_s)

    assert remove_orphans(store, artifacts.root, days=30) == 0

    assert not old.exists()
    assert young.exists()
    assert artifacts.names(STRAY) == ["manifest.json"]
