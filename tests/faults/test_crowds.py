"""Many at once: one job for one Idempotency-Key, and cancelling at any moment."""

import random
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx

from tests.acceptance.conftest import Api, running_stack
from tests.conftest import wait_until
from tests.faults.conftest import VODS
from tests.peers.twitch_process import TwitchPeer

POSTS = 1000
CANCELS = 60
AT_ONCE = 50


def test_a_thousand_posts_with_one_idempotency_key_make_one_job(peer: TwitchPeer, tmp_path: Path) -> None:
    with running_stack(tmp_path, TWITCH_HOST_MAP=peer.setting()) as stack:
        headers = {"Idempotency-Key": "the only one"}

        def post(_number: int) -> tuple[int, str]:
            answer = httpx.post(f"{stack.url}/api/v1/analysis", json={"url": VODS[0]}, headers=headers, timeout=60)
            return answer.status_code, answer.json()["job_id"]

        with ThreadPoolExecutor(AT_ONCE) as pool:
            answers = list(pool.map(post, range(POSTS)))

        assert len({job_id for _, job_id in answers}) == 1
        assert Counter(status for status, _ in answers) == {202: 1, 200: POSTS - 1}


def test_a_job_cancelled_at_any_moment_is_cancelled_at_once_and_leaves_no_file(
    peer: TwitchPeer, tmp_path: Path, dice: random.Random
) -> None:
    with running_stack(tmp_path, TWITCH_HOST_MAP=peer.setting()) as stack, Api(stack.url) as api:
        cancelled = []
        for number in range(CANCELS):
            job_id = api.submit(VODS[number % len(VODS)], force=True)["job_id"]
            time.sleep(dice.uniform(0, 4))  # any moment
            answer = api.http.delete(f"/api/v1/analysis/{job_id}")
            if answer.status_code == 202:
                assert api.job(job_id)["status"] == "cancelled"
                cancelled.append(job_id)

        def left() -> list[str]:
            places = (tmp_path / "artifacts", tmp_path / "work")
            return [job_id for job_id in cancelled for place in places if (place / job_id).exists()]

        print(f"{len(cancelled)} of {CANCELS} were cancelled before they had ended")
        assert len(cancelled) > CANCELS / 2
        wait_until(lambda: not left(), seconds=30)
        assert {api.job(job_id)["status"] for job_id in cancelled} == {"cancelled"}
