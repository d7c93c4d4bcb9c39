"""Two owners at one stack: hundreds of jobs of one do not make the other wait for all of them."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import imageio_ffmpeg
import pytest

from shared.stages import STAGE_BY_NAME
from tests.acceptance.conftest import SAMPLES, TERMINAL, Api, running_stack
from tests.conftest import wait_until
from tests.faults import watch
from tests.peers import deepgram
from tests.peers.processes import listening

MANY, FEW = 110, 3
KEYS = {"ann": "key-of-ann-0123456789", "bob": "key-of-bob-0123456789"}
CHEAP: dict[str, Any] = {"video": "none", "clips": False}


@pytest.fixture
def media(tmp_path: Path) -> Path:
    """A folder with a recording of 12 s."""
    folder = tmp_path / "media"
    folder.mkdir()
    cut = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", str(SAMPLES / "demo.mp4"), "-t", "12", "-c", "copy"]
    subprocess.run([*cut, str(folder / "short.mp4")], check=True, timeout=60)
    return folder


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[dict[str, str]]:
    """Deepgram, for jobs that shall not cost a whisper."""
    port_file = tmp_path / "deepgram-port"
    command = [sys.executable, "-m", "tests.peers.deepgram", "--port-file", str(port_file)]
    with listening(command, port_file=port_file) as port:
        yield {"DEEPGRAM_API_KEY": deepgram.KEY, "DEEPGRAM_BASE_URL": f"http://127.0.0.1:{port}"}


def of_owner(url: str, name: str) -> Api:
    api = Api(url)
    api.http.headers["Authorization"] = f"Bearer {KEYS[name]}"
    return api


def statuses(api: Api) -> list[str]:
    found: list[str] = []
    cursor = None
    while True:
        page = api.http.get("/api/v1/jobs", params={"limit": 100, "cursor": cursor} if cursor else {"limit": 100})
        found += [job["status"] for job in page.raise_for_status().json()["jobs"]]
        if (cursor := page.json()["next_cursor"]) is None:
            return found


@pytest.mark.timeout(600)
def test_an_owner_with_three_jobs_does_not_wait_for_the_hundred_of_another(
    tmp_path: Path, media: Path, listener: dict[str, str]
) -> None:
    keys = ",".join(f"{name}:{key}" for name, key in KEYS.items())
    settings = {"LOCAL_MEDIA_DIR": str(media), "API_KEYS": keys, **listener}
    with (
        running_stack(tmp_path / "data", **settings) as stack,
        of_owner(stack.url, "ann") as ann,
        of_owner(stack.url, "bob") as bob,
    ):
        # Given an owner who has submitted many jobs
        for _ in range(MANY):
            ann.submit("file:short.mp4", force=True, options=CHEAP)
        wait_until(lambda: "completed" in statuses(ann), seconds=120)

        # When another one submits a few
        few = [bob.submit("file:short.mp4", force=True, options=CHEAP)["job_id"] for _ in range(FEW)]
        before = statuses(ann).count("completed")
        waiting = bob.http.get("/api/v1/queues").json()["queues"]["download"]["waiting"]
        done = [bob.wait(job_id, seconds=300)["status"] for job_id in few]

        # Then those are done while most of the others still wait
        meanwhile = statuses(ann).count("completed") - before
        left = sum(status not in TERMINAL for status in statuses(ann))
    print(f"{FEW} jobs beside {MANY}: {meanwhile} of the others were done meanwhile, {left} left, {waiting} waited")
    assert done == ["completed"] * FEW
    assert waiting > MANY / 2
    assert meanwhile < MANY / 4
    assert left > MANY / 2


@pytest.mark.timeout(600)
def test_a_cancelled_job_goes_on_from_what_it_had_finished_and_later_from_the_start(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    options = {"video": "none", "clips": False, "transcriber": "whisper"}
    with (
        running_stack(data_dir, LOCAL_MEDIA_DIR=str(SAMPLES), CANCELLED_KEEP_MINUTES="0.3") as stack,
        Api(stack.url) as api,
    ):
        job_id = api.submit("file:demo.mp4", options=options)["job_id"]
        wait_until(lambda: api.job(job_id)["status"] == "transcribing", seconds=60)

        # When it is cancelled and tried again at once
        assert api.http.delete(f"/api/v1/analysis/{job_id}").status_code == 202
        kept = api.http.get(f"/api/v1/analysis/{job_id}/files/audio.m4a")
        again = api.http.post(f"/api/v1/analysis/{job_id}/retry")
        wait_until(lambda: api.job(job_id)["status"] == "transcribing", seconds=60)
        stages = [run.stage for run in watch.runs(data_dir / "logs", {}) if run.job_id == job_id]

        # Then it goes on with the words
        assert (kept.status_code, again.status_code) == (200, 202)
        assert again.json()["progress"]["stages_completed"] == 2
        assert stages == ["download", "chat", "transcribe", "transcribe"]

        # And when it is cancelled and tried again after its files have gone, it begins anew
        assert api.http.delete(f"/api/v1/analysis/{job_id}").status_code == 202
        wait_until(lambda: not (data_dir / "artifacts" / job_id).exists(), seconds=90)
        assert api.http.get(f"/api/v1/analysis/{job_id}/files/audio.m4a").status_code == 404
        anew = api.http.post(f"/api/v1/analysis/{job_id}/retry").json()
        assert anew["progress"]["stages_completed"] == 0
        wait_until(lambda: api.job(job_id)["status"] == STAGE_BY_NAME["transcribe"].status, seconds=90)
