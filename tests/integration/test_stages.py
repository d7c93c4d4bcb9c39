"""What `@stage`, the keeper and the reaper promise, on real Celery workers and a real Valkey."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest
import redis

from shared import jobs
from shared.jobs import Job, moved, utc_now
from shared.records import Video
from shared.redis import keys
from shared.redis.connection import connect
from shared.redis.counters import Counted, Counters, stage_seconds
from shared.redis.store import JobStore
from shared.settings import read_settings
from shared.stages import QUEUES, STAGES, JobStatus
from tests.conftest import ROOT, running_valkey, wait_until
from tests.integration.scripted_stages import pids_key, runs_key
from tests.jobs_made import new_job


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("stages")


@pytest.fixture(scope="module")
def environment(data_dir: Path) -> Iterator[dict[str, str]]:
    with running_valkey(data_dir) as url:
        yield {**os.environ, "DATA_DIR": str(data_dir), "REDIS_URL": url}


@pytest.fixture(scope="module")
def store(environment: dict[str, str]) -> Iterator[JobStore]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REDIS_URL", environment["REDIS_URL"])
        patch.setenv("DATA_DIR", environment["DATA_DIR"])
        client = connect(read_settings(), retries=1)
    yield JobStore(client)
    client.connection_pool.disconnect()
    client.close()


@contextmanager
def worker(environment: dict[str, str], data_dir: Path, name: str) -> Iterator["subprocess.Popen[bytes]"]:
    command = [sys.executable, "-m", "celery", "-A", "tests.integration.scripted_stages", "worker", "-c", "2"]
    command += ["-Q", ",".join(QUEUES), "-B", "-n", f"{name}@%h", "-s", str(data_dir / f"beat-{name}")]
    with (data_dir / f"{name}.log").open("ab") as log:
        process = subprocess.Popen(command, env=environment, cwd=ROOT, stdout=log, stderr=log)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(20)


@pytest.fixture(scope="module")
def pools(environment: dict[str, str], data_dir: Path) -> Iterator["subprocess.Popen[bytes]"]:
    with worker(environment, data_dir, "all") as process:
        yield process


def submit(store: JobStore, environment: dict[str, str], **script: list[str]) -> str:
    """A job whose stages do what the script says, sent as the web sends it: by another process."""
    now = utc_now()
    number = int(store.redis.incr("test:number"))
    job = Job(
        job_id=f"scripted{number}",
        owner="",
        url=json.dumps(script),
        source={"kind": "local", "ref": "x"},
        fingerprint=str(number),
        created_at=now,
        updated_at=now,
        waiting_since=now,
        video=Video(id="x", source="local", duration_seconds=60.0),
    )
    store.create(job, max_active=1000)
    code = "from tasks.pipeline import admit; from workers.app import job_store; admit(job_store())"
    subprocess.run([sys.executable, "-c", code], env=environment, cwd=ROOT, check=True, timeout=30)
    return job.job_id


def arguments(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.ZombieProcess:
        return ""


def runs(store: JobStore, job_id: str, stage: str) -> int:
    return int(store.redis.get(runs_key(job_id, stage)) or 0)


def pids(store: JobStore, job_id: str, stage: str) -> list[int]:
    return [int(pid) for pid in store.redis.lrange(pids_key(job_id, stage), 0, -1)]


def is_dead(process: psutil.Process) -> bool:
    """Whether it has ended, be it that its parent has not noticed yet."""
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def manifest_of(data_dir: Path, job_id: str) -> str:
    manifest = data_dir / "artifacts" / job_id / "manifest.json"
    return manifest.read_text() if manifest.exists() else ""


def counted(store: JobStore, what: Counted, stage: str) -> float:
    return Counters(store.redis).read().get(what, {}).get((stage,), 0)


def end(store: JobStore, job_id: str, *, seconds: float = 40) -> Job:
    wait_until(lambda: store.get(job_id).is_terminal, seconds=seconds, every=0.1)
    return store.get(job_id)


@pytest.mark.usefixtures("pools")
def test_a_job_passes_every_stage_once_and_keeps_its_files(
    store: JobStore, environment: dict[str, str], data_dir: Path
) -> None:
    job = end(store, submit(store, environment))

    assert job.status is JobStatus.COMPLETED
    assert {stage.name: runs(store, job.job_id, stage.name) for stage in STAGES} == {s.name: 1 for s in STAGES}
    manifest = json.loads((data_dir / "artifacts" / job.job_id / "manifest.json").read_text())
    assert set(manifest["files"]) == {f"{stage.name}.txt" for stage in STAGES}
    assert job.warnings == tuple(f"{stage.name} was scripted" for stage in STAGES)
    wait_until(lambda: not (data_dir / "work" / job.job_id).exists())
    measured = stage_seconds(Counters(store.redis).read())
    assert {name: sum(found.counts) for name, found in measured.items()} == {stage.name: 1 for stage in STAGES}
    assert all(found.sum_s > 0 for found in measured.values())


@pytest.mark.usefixtures("pools")
def test_a_network_error_is_retried_without_losing_the_chain(store: JobStore, environment: dict[str, str]) -> None:
    job = end(store, submit(store, environment, chat=["network", "network"]))

    assert job.status is JobStatus.COMPLETED
    assert runs(store, job.job_id, "chat") == 3
    assert [retry.code for retry in job.retries] == ["NETWORK_TIMEOUT", "NETWORK_TIMEOUT"]


@pytest.mark.usefixtures("pools")
def test_an_error_that_no_retry_helps_fails_the_job_and_stops_the_chain(
    store: JobStore, environment: dict[str, str]
) -> None:
    job = end(store, submit(store, environment, download=["unreadable"]))

    assert job.status is JobStatus.FAILED
    assert job.error is not None
    assert (job.error.code, job.error.stage, job.error.attempt) == ("UNSUPPORTED_FORMAT", "download", 1)
    assert runs(store, job.job_id, "chat") == 0


@pytest.mark.usefixtures("pools")
def test_what_nobody_foresaw_is_tried_once_more(store: JobStore, environment: dict[str, str]) -> None:
    job = end(store, submit(store, environment, analyze=["bug"]))

    assert job.status is JobStatus.COMPLETED
    assert [kept.code for kept in job.retries] == ["UNCLASSIFIED_ERROR"]


@pytest.mark.usefixtures("pools")
def test_a_bug_is_told_without_its_insides(store: JobStore, environment: dict[str, str], data_dir: Path) -> None:
    job = end(store, submit(store, environment, analyze=["bug", "bug"]))

    assert job.error is not None
    assert job.error.code == "UNCLASSIFIED_ERROR"
    assert "/secret/path" not in job.dumps()
    log = (data_dir / "all.log").read_text()
    assert job.error.support_reference in log
    assert "ZeroDivisionError" in log


@pytest.mark.usefixtures("pools")
def test_a_stage_whose_process_dies_runs_again_elsewhere(store: JobStore, environment: dict[str, str]) -> None:
    deaths = counted(store, Counted.WORKER_DEATHS, "transcribe")
    job = end(store, submit(store, environment, transcribe=["die"]))

    assert job.status is JobStatus.COMPLETED
    assert counted(store, Counted.WORKER_DEATHS, "transcribe") == deaths + 1
    assert runs(store, job.job_id, "transcribe") == 2
    assert runs(store, job.job_id, "analyze") == 1


@pytest.mark.usefixtures("pools")
def test_a_stage_that_kills_its_process_each_time_ends_as_worker_lost(
    store: JobStore, environment: dict[str, str]
) -> None:
    job = end(store, submit(store, environment, transcribe=["die"] * 5), seconds=90)

    assert job.error is not None
    assert job.error.code == "WORKER_LOST"
    assert runs(store, job.job_id, "transcribe") == 3


@pytest.mark.usefixtures("pools")
def test_a_stage_that_stands_still_is_interrupted_and_tried_again(store: JobStore, environment: dict[str, str]) -> None:
    job = end(store, submit(store, environment, analyze=["stand still"]))

    assert job.status is JobStatus.COMPLETED
    assert [retry.code for retry in job.retries] == ["PROCESSING_TIMEOUT"]


@pytest.mark.usefixtures("pools")
@pytest.mark.parametrize("where", ["hang in C", "hang in C with the interpreter", "hang in a thread in C"])
def test_native_code_that_hangs_ends_with_its_process_and_the_stage_runs_in_another(
    store: JobStore, environment: dict[str, str], where: str
) -> None:
    job_id = submit(store, environment, analyze=[where])
    wait_until(lambda: bool(pids(store, job_id, "analyze")), seconds=20)
    hung = psutil.Process(pids(store, job_id, "analyze")[0])

    job = end(store, job_id, seconds=60)

    assert job.status is JobStatus.COMPLETED
    assert len(pids(store, job_id, "analyze")) == 2
    assert pids(store, job_id, "analyze")[1] != hung.pid
    wait_until(lambda: is_dead(hung), seconds=30)


@pytest.mark.usefixtures("pools")
def test_native_code_that_hangs_each_time_ends_its_job(store: JobStore, environment: dict[str, str]) -> None:
    job = end(store, submit(store, environment, analyze=["hang in C"] * 5), seconds=120)

    assert job.error is not None
    assert job.error.code == "WORKER_LOST"


@pytest.mark.usefixtures("pools")
def test_a_stage_that_eats_too_much_memory_is_interrupted_and_says_so(
    store: JobStore, environment: dict[str, str]
) -> None:
    job_id = submit(store, environment, analyze=["eat memory"])

    wait_until(lambda: bool(store.get(job_id).retries), seconds=20)
    assert [retry.code for retry in store.get(job_id).retries] == ["OUT_OF_MEMORY"]
    assert end(store, job_id).status is JobStatus.COMPLETED


@pytest.mark.usefixtures("pools")
def test_a_cancelled_job_stops_its_work_within_seconds_and_keeps_what_it_finished(
    store: JobStore, environment: dict[str, str], data_dir: Path
) -> None:
    job_id = submit(store, environment, transcribe=["work"])
    wait_until(lambda: store.get(job_id).stage_progress.get("transcribe", 0) > 0, seconds=20)

    store.change(job_id, partial(jobs.cancel, now=utc_now()))
    code = f"from tasks.pipeline import clean_up; clean_up({job_id!r})"
    subprocess.run([sys.executable, "-c", code], env=environment, cwd=ROOT, check=True, timeout=30)

    wait_until(lambda: not (data_dir / "work" / job_id).exists(), seconds=5)
    assert store.get(job_id).status is JobStatus.CANCELLED
    assert counted(store, Counted.LEASE_LOSSES, "transcribe") == 0
    assert runs(store, job_id, "analyze") == 0
    assert '"download.txt"' in manifest_of(data_dir, job_id)


@pytest.mark.usefixtures("pools")
def test_the_files_of_a_job_removed_while_its_worker_stops_go_once_it_has(
    store: JobStore, environment: dict[str, str], data_dir: Path
) -> None:
    job_id = submit(store, environment, transcribe=["work"])
    wait_until(lambda: store.get(job_id).stage_progress.get("transcribe", 0) > 0, seconds=20)
    cancelled = store.change(job_id, partial(jobs.cancel, now=utc_now()))

    code = f"from tasks.pipeline import remove_files; remove_files({job_id!r})"
    subprocess.run([sys.executable, "-c", code], env=environment, cwd=ROOT, check=True, timeout=30)
    store.delete(cancelled)

    wait_until(lambda: not (data_dir / "artifacts" / job_id).exists(), seconds=20)
    wait_until(lambda: not (data_dir / "work" / job_id).exists(), seconds=5)


@pytest.mark.usefixtures("pools")
def test_a_stage_taken_from_a_process_that_works_is_counted(store: JobStore, environment: dict[str, str]) -> None:
    losses = counted(store, Counted.LEASE_LOSSES, "analyze")
    job_id = submit(store, environment, analyze=["work"])
    wait_until(lambda: store.get(job_id).stage_progress.get("analyze", 0) > 0, seconds=20)

    # As the reaper does with one that was not heard of
    token = store.get(job_id).token
    store.change(job_id, partial(jobs.lose, token=token, now=utc_now()), lease="drop")

    assert end(store, job_id).status is JobStatus.COMPLETED
    assert counted(store, Counted.LEASE_LOSSES, "analyze") == losses + 1


@pytest.mark.usefixtures("pools")
def test_a_cancelled_job_is_retried_from_what_it_had_finished(store: JobStore, environment: dict[str, str]) -> None:
    job_id = submit(store, environment, transcribe=["work"])
    wait_until(lambda: store.get(job_id).stage_progress.get("transcribe", 0) > 0, seconds=20)
    store.change(job_id, partial(jobs.cancel, now=utc_now()))

    store.change(job_id, partial(jobs.retry, now=utc_now()))

    job = end(store, job_id)
    assert (job.status, job.attempt) == (JobStatus.COMPLETED, 2)
    assert [runs(store, job_id, stage.name) for stage in STAGES] == [1, 1, 2, 1, 1]


@pytest.mark.usefixtures("pools")
def test_a_job_that_was_admitted_but_never_sent_is_sent(store: JobStore) -> None:
    now = utc_now()
    store.create(
        replace(new_job(), job_id="admitted", fingerprint="admitted", url="{}", waiting_since=now), max_active=9
    )

    # When whoever admitted it died before it was sent
    store.admission.admit(limit=1)

    assert end(store, "admitted").status is JobStatus.COMPLETED


@pytest.mark.usefixtures("pools")
@pytest.mark.parametrize("is_new", [True, False])
def test_a_job_that_an_earlier_version_admitted_and_did_not_send_is_sent(store: JobStore, is_new: bool) -> None:
    name = "before" if is_new else "beside"
    now = utc_now()
    store.create(replace(new_job(), job_id=name, fingerprint=name, url="{}", waiting_since=now), max_active=9)
    store.admission.admit(limit=1)

    # When that version knew nothing of what the reaper reads: before the upgrade, or beside this one
    store.redis.zrem(keys.UNTAKEN, name)
    store.redis.delete(keys.REAPER_VERSION if is_new else keys.REAPER_PATROL)

    assert end(store, name).status is JobStatus.COMPLETED


@pytest.mark.usefixtures("pools")
def test_a_cancelled_job_whose_work_hears_nothing_ends_with_its_process(
    store: JobStore, environment: dict[str, str], data_dir: Path
) -> None:
    job_id = submit(store, environment, analyze=["deaf"])
    wait_until(lambda: store.get(job_id).stage_progress.get("analyze", 0) > 0, seconds=20)
    process = psutil.Process(int(str(store.get(job_id).holder).split(":")[1]))

    store.change(job_id, partial(jobs.cancel, now=utc_now()))

    wait_until(lambda: is_dead(process), seconds=8)
    assert end(store, submit(store, environment)).status is JobStatus.COMPLETED
    assert store.get(job_id).status is JobStatus.CANCELLED


@pytest.mark.usefixtures("pools")
def test_a_waiting_stage_whose_clock_was_set_back_does_not_wait_for_hours(store: JobStore) -> None:
    job = replace(new_job(), job_id="ahead", fingerprint="ahead", url="{}", waiting_since=moved(utc_now(), 8 * 3600))
    store.create(job, max_active=1000)

    assert end(store, "ahead").status is JobStatus.COMPLETED


@pytest.mark.usefixtures("pools")
def test_a_chain_that_was_never_sent_is_found_and_sent(store: JobStore) -> None:
    now = utc_now()
    job = Job(
        job_id="unsent",
        owner="",
        url="{}",
        source={"kind": "local", "ref": "x"},
        fingerprint="unsent",
        created_at=now,
        updated_at=now,
    )
    store.create(job, max_active=1000)

    assert end(store, "unsent").status is JobStatus.COMPLETED


def test_a_worker_that_is_told_to_stop_gives_its_stage_to_another_at_once(
    store: JobStore, environment: dict[str, str], data_dir: Path, pools: "subprocess.Popen[bytes]"
) -> None:
    with worker(environment, data_dir, "second"):
        job_id = submit(store, environment, highlights=["work"])
        wait_until(lambda: store.get(job_id).stage_progress.get("highlights", 0) > 0, seconds=20)
        holder = int(str(store.get(job_id).holder).split(":")[1])
        parent = psutil.Process(holder).ppid()
        os.kill(parent, signal.SIGTERM)

        job = end(store, job_id, seconds=15)

    assert job.status is JobStatus.COMPLETED
    assert job.deaths == 0
    assert runs(store, job_id, "highlights") == 2


def test_a_running_stage_outlasts_a_full_redis_and_goes_on(tmp_path: Path) -> None:
    data = tmp_path / "full"
    with running_valkey(data) as url:
        environment = {**os.environ, "DATA_DIR": str(data), "REDIS_URL": url}
        store = JobStore(redis.Redis.from_url(url, decode_responses=True))
        with worker(environment, data, "patient"):
            job_id = submit(store, environment, download=["work a little"])
            wait_until(lambda: store.get(job_id).percentage > 0, seconds=20)
            token = store.get(job_id).token
            store.redis.config_set("maxmemory", 1)
            wait_until(lambda: "download.txt" in manifest_of(data, job_id), seconds=20)
            assert store.get(job_id).token == token
            store.redis.config_set("maxmemory", 0)

            job = end(store, job_id, seconds=40)

            assert job.status is JobStatus.COMPLETED
            assert runs(store, job_id, "download") == 1
        store.redis.close()


def test_redis_away_for_seconds_neither_fails_nor_repeats_a_running_stage(tmp_path: Path) -> None:
    data = tmp_path / "outage"
    with running_valkey(data) as url:
        environment = {**os.environ, "DATA_DIR": str(data), "REDIS_URL": url}
        store = JobStore(redis.Redis.from_url(url, decode_responses=True))
        server = next(p for p in psutil.Process().children(recursive=True) if str(urlsplit(url).port) in arguments(p))
        with worker(environment, data, "survivor"):
            job_id = submit(store, environment, download=["work"])
            wait_until(lambda: store.get(job_id).percentage > 0, seconds=20)
            token = store.get(job_id).token
            server.suspend()
            try:
                psutil.wait_procs([server], timeout=4)
            finally:
                server.resume()
            before = store.get(job_id).percentage
            wait_until(lambda: store.get(job_id).percentage > before, seconds=20)

            assert store.get(job_id).token == token
            assert runs(store, job_id, "download") == 1
        store.redis.close()
