"""Jobs beside each other, and a stack that is killed in the middle."""

from pathlib import Path

import psutil

from tests.acceptance.conftest import SAMPLES, Api, running_stack
from tests.conftest import wait_until
from tests.faults.harm import kill_everything


def test_two_jobs_at_once_do_not_touch_each_others_files(api: Api, tmp_path: Path) -> None:
    ids = [
        api.submit("file:demo.mp4", chat_url="file:demo_chat.json", force=True)["job_id"],
        api.submit("file:demo.mp4", force=True, options={"highlights": 3})["job_id"],
    ]

    jobs = [api.wait(job_id, seconds=180) for job_id in ids]

    assert [job["status"] for job in jobs] == ["completed", "completed"]
    with_chat, without = (api.results(job_id) for job_id in ids)
    assert with_chat["chat"]["messages"] > 0
    assert without["chat"] is None or without["chat"]["messages"] is None
    assert without["urls"]["chat_url"] is None
    for results, job_id in zip((with_chat, without), ids, strict=True):
        assert all(f"/{job_id}/" in url for url in results["files"].values())
        for url in results["files"].values():
            assert api.http.head(url).status_code == 200


def test_a_stack_killed_in_mid_job_finishes_the_job_when_it_starts_again(tmp_path: Path) -> None:
    with running_stack(tmp_path, LOCAL_MEDIA_DIR=str(SAMPLES)) as stack, Api(stack.url) as api:
        job_id = api.submit("file:demo.mp4", chat_url="file:demo_chat.json")["job_id"]
        wait_until(lambda: api.job(job_id)["progress"]["stage_progress"]["transcribe"] > 0, seconds=60)
        before = api.job(job_id)
        kill_everything(stack)

    with running_stack(tmp_path, LOCAL_MEDIA_DIR=str(SAMPLES)) as stack, Api(stack.url) as api:
        job = api.wait(job_id, seconds=150)

    assert job["status"] == "completed", job["error"]
    assert job["attempt"] == before["attempt"]
    assert job["progress"]["percentage"] == 100


def test_a_process_that_dies_is_started_again(tmp_path: Path) -> None:
    with running_stack(tmp_path, LOCAL_MEDIA_DIR=str(SAMPLES)) as stack:
        web = next(p for p in psutil.Process(stack.pid).children(recursive=True) if "gunicorn" in " ".join(p.cmdline()))
        web.kill()
        psutil.wait_procs([web], timeout=5)

        stack.wait_until_ready()
