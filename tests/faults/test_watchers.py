"""The web process dies twenty times under 500 followers of 100 jobs, while jobs go on and end."""

from functools import partial
from pathlib import Path
from typing import Any

import httpx

from tests.conftest import wait_until
from tests.integration.conftest import Web, running_web, used
from tests.integration.stream_clients import Follower, Worker, kill_worker, streams

JOBS = 100
FOLLOWERS_OF_EACH = 5
KILLS = 20


def _follow(web: Web, count: int) -> bool:
    try:
        return streams(web) == count
    except httpx.HTTPError:
        return False


def test_twenty_deaths_of_the_web_process_cost_500_followers_nothing(
    tmp_path: Path, valkey_url: str, figures: dict[str, Any]
) -> None:
    with (
        running_web(tmp_path, valkey_url, LOCAL_MEDIA_DIR=str(tmp_path)) as url,
        used(url, valkey_url, tmp_path) as web,
    ):
        job_ids = [web.submit() for _ in range(JOBS)]
        workers = [Worker(web, job_id) for job_id in job_ids]
        followers = [Follower(web, job_id) for job_id in job_ids * FOLLOWERS_OF_EACH]
        for follower in followers:
            follower.start()
        for follower in followers:
            assert follower.is_waiting.wait(120)

        # Each time as many jobs as there are kills begin and end around it, and all others change
        ending = [workers[number::KILLS] for number in range(KILLS)]
        for worker in workers:
            worker.claim()
        for number in range(KILLS):
            last, *others = ending[number]
            last.fail()
            is_replaced = kill_worker(tmp_path / "web.log")
            for worker in others:
                worker.fail()
            for later in ending[number + 1 :]:
                for worker in later:
                    worker.report((number + 1) / (KILLS + 1))
            wait_until(is_replaced, seconds=60)
            left = sum(map(len, ending[number + 1 :])) * FOLLOWERS_OF_EACH
            wait_until(partial(_follow, web, left), seconds=60)

        for follower in followers:
            follower.join(180)
            assert not follower.is_alive()
            follower.check(ends="failed")
        figures.update(
            followers=len(followers),
            kills=KILLS,
            connections=sum(follower.connections for follower in followers),
            events=sum(len(follower.told) for follower in followers),
        )
