"""Jobs and files into a backup and back into an empty deployment, by the commands that operators type."""

import gzip
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import httpx
import pytest
import redis

from shared import jobs
from shared.artifacts.folder import FolderStore
from shared.jobs import utc_now
from shared.redis import keys
from shared.redis.backup import BackupError, load, save
from shared.redis.store import JobStore
from shared.stages import STAGES
from tests.conftest import ROOT, running_valkey
from tests.integration.conftest import SETTING_NAMES, running_web, used
from tests.integration.stream_clients import Worker


def flask(*arguments: str, data_dir: Path, redis_url: str) -> "subprocess.CompletedProcess[str]":
    kept = {name: value for name, value in os.environ.items() if name not in SETTING_NAMES}
    return subprocess.run(
        [sys.executable, "-m", "flask", "--app", "web", *arguments],
        env={**kept, "DATA_DIR": str(data_dir), "REDIS_URL": redis_url},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_a_lost_deployment_comes_back_with_its_jobs_lists_and_files(tmp_path: Path) -> None:
    backup, data = tmp_path / "backup", tmp_path / "data"
    # Given a finished job with files, one at work, and one that waits
    with (
        running_valkey(tmp_path / "old") as url,
        running_web(data, url, LOCAL_MEDIA_DIR=str(tmp_path)) as address,
        used(address, url, data) as web,
    ):
        done, working, waiting = (web.submit(f"file:{name}.mp4") for name in "abc")
        Worker(web, done).complete()
        web.files.write(done, "results.json", b'{"highlights": []}', generation=None)
        claim = partial(jobs.claim, stage=STAGES[0], attempt=1, holder="x", now=utc_now())
        token = web.store.change(working, claim, lease="take").token
        before = {job_id: web.store.get(job_id) for job_id in (done, working, waiting)}
        listed = web.http.get("/api/v1/jobs").json()

        saved = flask("backup", str(backup), data_dir=data, redis_url=url)
        again = flask("backup", str(backup), data_dir=data, redis_url=url)

        # Nobody was kept from writing for longer than it took
        assert web.store.renew_lease(working, token)
    assert (saved.returncode, again.returncode) == (0, 0), saved.stderr + again.stderr
    assert (backup / "jobs.gz").stat().st_mode & 0o777 == 0o600

    # When all of it is lost
    shutil.rmtree(data)
    with running_valkey(tmp_path / "new") as url:
        restored = flask("restore", str(backup), data_dir=data, redis_url=url)
        assert restored.returncode == 0, restored.stderr

        # Then everything is as it was; only the lease is gone, so the reaper gives that stage to another
        with running_web(data, url, LOCAL_MEDIA_DIR=str(tmp_path)) as address:
            client = redis.Redis.from_url(url, decode_responses=True)
            store = JobStore(client)
            assert {job_id: store.get(job_id) for job_id in before} == before
            assert not client.exists(keys.lease(working))
            assert httpx.get(f"{address}/api/v1/jobs", timeout=30).json() == listed
            assert FolderStore(data / "artifacts").read(done, "results.json")[0] == b'{"highlights": []}'
            client.close()
        # And a second time is refused: it would overwrite what has happened since
        refused = flask("restore", str(backup), data_dir=data, redis_url=url)
    assert refused.returncode == 1
    assert refused.stderr == "klipstream: there are jobs in this Redis: a backup is restored into an empty one only\n"


@pytest.mark.parametrize(
    "damage",
    [
        lambda whole: whole[: len(whole) // 2],
        lambda whole: b"not gzip at all",
        lambda whole: gzip.compress(b'{"format": "another"}\n'),
        lambda whole: gzip.compress(gzip.decompress(whole) + b'{"key": 1}\n'),
        lambda whole: b"",
    ],
)
def test_a_damaged_backup_leaves_nothing_half_restored(
    store: JobStore, valkey_url: str, tmp_path: Path, damage: Callable[[bytes], bytes]
) -> None:
    store.redis.set("klip:one", "1")
    file = tmp_path / "jobs.gz"
    with redis.Redis.from_url(valkey_url) as client:
        assert save(client, file) == 1
        file.write_bytes(damage(file.read_bytes()))
        client.flushall()

        with pytest.raises(BackupError):
            load(client, file)

        assert client.dbsize() == 0


def test_what_lives_for_seconds_is_left_out_and_times_to_live_are_kept(
    store: JobStore, valkey_url: str, tmp_path: Path
) -> None:
    store.redis.set("klip:idem:x", "job", px=100_000)
    for name in ("klip:lease:a", "klip:workers:download", "klip:limits/x", "klip:reaper:last", "celery"):
        store.redis.set(name, "1")
    with redis.Redis.from_url(valkey_url) as client:
        assert save(client, tmp_path / "jobs.gz") == 1
        client.flushall()
        load(client, tmp_path / "jobs.gz")

    assert list(store.redis.scan_iter()) == ["klip:idem:x"]
    assert 50_000 < store.redis.pttl("klip:idem:x") <= 100_000
