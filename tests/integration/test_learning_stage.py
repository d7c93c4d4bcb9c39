"""A channel's verdicts move the ranking of its next job: the real highlights stage in a real pool."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shared import jobs
from shared.artifacts.folder import FolderStore
from shared.feedback import BAD, GOOD, Changes, Features
from shared.jobs import Job, Options, utc_now
from shared.records import Video
from shared.redis.connection import connect
from shared.redis.feedback import FeedbackStore, Lesson
from shared.redis.store import JobStore
from shared.stages import STAGES
from tasks.workspace import Outcome, Workspace
from tests.conftest import ROOT, read_settings_for, running_valkey, wait_until
from tests.jobs_made import new_job
from tests.unit.analysis_made import LAUGHS, WOWS, burst, in_order, talk
from workers.analysis.chat_signals import chat_grid
from workers.analysis.features import FEATURES, features_at
from workers.analysis.scoring import fuse
from workers.analysis.timeline import Timeline, write_timeline

OWNER, CHANNEL, DURATION_S = "ann", "Some_Channel", 1200
LAUGHTER_S, SHOUTS_S = 295, 795


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("learning")


@pytest.fixture(scope="module")
def environment(data_dir: Path) -> Iterator[dict[str, str]]:
    with running_valkey(data_dir) as url:
        yield {**os.environ, "DATA_DIR": str(data_dir), "REDIS_URL": url, "LOCAL_MEDIA_DIR": str(data_dir)}


@pytest.fixture(scope="module")
def store(environment: dict[str, str], data_dir: Path) -> Iterator[JobStore]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REDIS_URL", environment["REDIS_URL"])
        client = connect(read_settings_for(data_dir), retries=1)
    yield JobStore(client)
    client.connection_pool.disconnect()


@pytest.fixture(scope="module")
def timeline() -> Timeline:
    """Laughter and shouts, the shouts first by a little."""
    shouts = tuple(text.upper() for text in WOWS)
    chat = in_order(talk(DURATION_S), burst(300, LAUGHS, count=40), burst(800, shouts, count=40))
    made = fuse(chat=chat_grid(chat, duration_s=DURATION_S), sound=None, words=None, duration_s=DURATION_S)
    made.columns["score"] = np.full(DURATION_S, 0.001)
    made.columns["score"][[LAUGHTER_S, SHOUTS_S]] = 0.55, 0.6
    return made


@pytest.fixture(scope="module")
def verdicts(store: JobStore, timeline: Timeline) -> int:
    """Ann said of twelve moments like the laughter that they are good, of twelve like the shouts that they are not."""
    feedback = FeedbackStore(store.redis)
    store.redis.set("klip:job:earlier", "{}")
    for rank in range(24):
        values = features_at(timeline, SHOUTS_S if rank % 2 else LAUGHTER_S).tolist()
        lesson = Lesson(OWNER, CHANNEL, Features(FEATURES, tuple(values)))
        verdict: Changes = {"verdict": BAD if rank % 2 else GOOD}
        feedback.change("earlier", rank, verdict, check=lambda _: None, lesson=lesson)
    return 24


@pytest.fixture(scope="module", autouse=True)
def pool(environment: dict[str, str], data_dir: Path) -> Iterator[None]:
    command = [sys.executable, "-m", "celery", "-A", "workers.app", "worker", "-Q", "analysis", "-c", "1"]
    with (data_dir / "pool.log").open("ab") as log:
        process = subprocess.Popen(command, env=environment, cwd=ROOT, stdout=log, stderr=log)
    try:
        yield
    finally:
        process.terminate()
        process.wait(30)


def ready_for_highlights(store: JobStore, data_dir: Path, timeline: Timeline, job: Job) -> None:
    """As after the first four stages."""
    store.create(job, max_active=100)
    video = Video(id="x", source="twitch", title="A day", channel=CHANNEL, duration_seconds=float(DURATION_S))
    for stage in STAGES[:-1]:
        held = store.change(job.job_id, partial(jobs.claim, stage=stage, attempt=1, holder="t", now=utc_now()))
        done = partial(jobs.finish, token=held.token, seconds=1, now=utc_now(), video=video)
        store.change(job.job_id, done)
    files = FolderStore(data_dir / "artifacts")
    workspace = Workspace(job, "analyze", store=files, root=data_dir / "work")
    write_timeline(timeline, workspace.folder / "timeline.json")
    workspace.keep(Outcome(files=("timeline.json",)))
    workspace.remove()


@pytest.mark.parametrize(
    ("owner", "learn", "tuned_on", "first"),
    [(OWNER, True, 24, LAUGHTER_S), (OWNER, False, 0, SHOUTS_S), ("bob", True, 0, SHOUTS_S)],
    ids=["own verdicts", "learn: false", "of another owner"],
)
def test_verdicts_move_the_ranking_of_the_owners_next_job_unless_told_not_to(
    store: JobStore,
    environment: dict[str, str],
    data_dir: Path,
    timeline: Timeline,
    verdicts: int,
    owner: str,
    learn: bool,
    tuned_on: int,
    first: int,
) -> None:
    name = f"{owner}{learn}"
    # The recording is nowhere: nothing of it may be fetched.
    options = Options(video="none", learn=learn)
    job = replace(new_job(), job_id=name, fingerprint=name, owner=owner, options=options, created_at=utc_now())
    ready_for_highlights(store, data_dir, timeline, job)

    code = f"from tasks.pipeline import send; from workers.app import job_store; send(job_store().get({name!r}))"
    subprocess.run([sys.executable, "-c", code], env=environment, cwd=ROOT, check=True, timeout=60)
    wait_until(lambda: store.get(name).is_terminal, seconds=120)

    results: dict[str, Any] = json.loads((data_dir / "artifacts" / name / "results.json").read_text())
    best = results["highlights"][0]
    assert store.get(name).status == "completed"
    assert results["tuned_on_verdicts"] == tuned_on <= verdicts
    assert best["start_seconds"] <= first <= best["end_seconds"]
    assert "features.json" in results["files"]
