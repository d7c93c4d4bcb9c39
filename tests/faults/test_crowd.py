"""A thousand posts at once with one Idempotency-Key."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx

from tests.acceptance.conftest import running_stack
from tests.faults.conftest import VODS
from tests.peers.twitch_process import TwitchPeer

POSTS = 1000
AT_ONCE = 50  # connections; as many clients as this wait for an answer at any moment


def test_a_thousand_posts_with_one_idempotency_key_make_one_job(
    peer: TwitchPeer, tmp_path: Path, figures: dict[str, Any]
) -> None:
    with running_stack(tmp_path, TWITCH_HOST_MAP=peer.setting()) as stack:
        headers = {"Idempotency-Key": "the only one"}

        def post(_number: int) -> tuple[int, str]:
            answer = httpx.post(f"{stack.url}/api/v1/analysis", json={"url": VODS[0]}, headers=headers, timeout=60)
            return answer.status_code, answer.json()["job_id"]

        with ThreadPoolExecutor(AT_ONCE) as pool:
            answers = list(pool.map(post, range(POSTS)))

        jobs = {job_id for _, job_id in answers}
        statuses = Counter(status for status, _ in answers)
        figures.update(posts=POSTS, jobs=len(jobs), answers=dict(statuses))
        assert len(jobs) == 1
        assert statuses == {202: 1, 200: POSTS - 1}
