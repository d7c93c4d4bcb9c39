"""The database dies under running jobs, open streams and a steady flow of submissions: nobody loses anything."""

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from httpx_sse import connect_sse

from shared.stages import STAGES
from tests.acceptance.conftest import TERMINAL, Api, running_stack
from tests.conftest import wait_until
from tests.faults import harm, watch
from tests.faults.conftest import VODS
from tests.peers.twitch_process import TwitchPeer
from web.cli.stack import Stack

JOBS = 30
SECONDS = 600  # of the thirty, so that they still run when the database dies the last time
LONG_VODS = tuple(str(9600 + number) for number in range(JOBS))
CLIENTS = 50
SUBMISSIONS_A_SECOND = 5
DOWN_S = (0, 5, 0, 5, 0)
BACK_WITHIN_S = 30.0
POOLS = {stage.queue for stage in STAGES}
OPTIONS = {"video": "none"}
RETRY_S = 1.0


@contextmanager
def repeating(work: Callable[[], None], *, every_s: float) -> Iterator[None]:
    """`work` at a steady rate beside the block; each call in a thread of its own, so that a slow one delays none."""
    stop = threading.Event()
    calls: list[threading.Thread] = []

    def run() -> None:
        while not stop.wait(every_s):
            calls.append(threading.Thread(target=work))
            calls[-1].start()

    clock = threading.Thread(target=run)
    clock.start()
    try:
        yield
    finally:
        stop.set()
        clock.join()
        for call in calls:
            call.join(120)


class Submissions:
    """Posts as a careful client makes them: each under a key of its own, tried again until it was accepted."""

    def __init__(self, url: str) -> None:
        self.accepted: dict[str, set[str]] = {}
        self.answers: Counter[int | str] = Counter()
        self._url = url
        self._lock = threading.Lock()
        self._number = 0

    def submit(self) -> None:
        with self._lock:
            self._number += 1
            key = f"submission {self._number}"
        body = {"url": VODS[self._number % len(VODS)], "options": OPTIONS}
        for _ in range(60):
            answer = self._post(key, body)
            with self._lock:
                self.answers[answer if isinstance(answer, str) else answer.status_code] += 1
                if isinstance(answer, httpx.Response) and answer.status_code in {200, 202}:
                    self.accepted.setdefault(key, set()).add(answer.json()["job_id"])
                    return
            time.sleep(RETRY_S)

    def _post(self, key: str, body: dict[str, Any]) -> httpx.Response | str:
        try:
            return httpx.post(
                f"{self._url}/api/v1/analysis",
                params={"force": "true"},
                json=body,
                headers={"Idempotency-Key": key},
                timeout=30,
            )
        except httpx.TransportError as error:
            return type(error).__name__


class Follower(threading.Thread):
    """One client of a job's stream; comes back with the id of the last event it has seen, as a browser does."""

    def __init__(self, url: str, job_id: str) -> None:
        super().__init__(daemon=True)
        self.job_id = job_id
        self.ids: list[str] = []
        self.percentages: list[float] = []
        self.ends: list[str] = []
        self.connections = 0
        self.cut = threading.Event()  # set: hang up at the next event, and come back
        self._url = f"{url}/api/v1/analysis/{job_id}/stream"

    def run(self) -> None:
        while not self.ends:
            headers = {"Last-Event-ID": self.ids[-1]} if self.ids else {}
            try:
                with (
                    httpx.Client(timeout=30) as client,
                    connect_sse(client, "GET", self._url, headers=headers) as source,
                ):
                    if source.response.status_code == 200:
                        self.connections += 1
                        self._read(source.iter_sse())
            except httpx.HTTPError:
                pass
            time.sleep(0.2)

    def _read(self, events: Iterator[Any]) -> None:
        for event in events:
            data = json.loads(event.data) if event.data else {}
            if event.event in TERMINAL:
                self.ends.append(event.event)
            if event.event in {"progress", *TERMINAL}:
                self.ids.append(event.id)
                self.percentages.append(data["progress"]["percentage"])
            if self.cut.is_set():
                self.cut.clear()
                return


def kill_and_restart(stack: Stack, data_dir: Path, down_s: float) -> float:
    """Kill the database and let it come back, at once or after `down_s`; since when (seconds since 1970) it may."""
    if down_s:
        with harm.valkey_away(stack, data_dir):
            time.sleep(down_s)  # how long it is away is the fault
    else:
        harm.kill_valkey(stack)
    return time.time()


def seconds_until_pools_work(logs: Path, moment: float) -> float:
    """From `moment` to when every pool has claimed a stage again."""

    def firsts() -> dict[str, float]:
        later = [run for run in watch.runs(logs, {}) if run.began > moment]
        return {run.queue: run.began for run in reversed(later)}

    wait_until(lambda: len(firsts()) == len(POOLS), seconds=120, every=0.5)
    return max(firsts().values()) - moment


def test_valkey_dies_five_times(
    peer: TwitchPeer, listener: dict[str, str], tmp_path: Path, figures: dict[str, Any]
) -> None:
    settings = {"TWITCH_HOST_MAP": peer.setting(), **listener}
    peer.control(vods=[{"id": vod, "seconds": SECONDS, "comments": SECONDS} for vod in LONG_VODS])
    logs = tmp_path / "logs"
    with running_stack(tmp_path, **settings) as stack, Api(stack.url) as api:
        first = [api.submit(vod, force=True, options=OPTIONS)["job_id"] for vod in LONG_VODS]
        followers = [Follower(stack.url, first[n % JOBS]) for n in range(CLIENTS)]
        for follower in followers:
            follower.start()
        posts = Submissions(stack.url)
        back: list[float] = []
        running: list[int] = []
        with repeating(posts.submit, every_s=1 / SUBMISSIONS_A_SECOND):
            for down_s in DOWN_S:
                time.sleep(2)  # some work between two outages
                for follower in followers[::2]:
                    follower.cut.set()
                running.append(sum(api.job(job_id)["status"] not in TERMINAL for job_id in first))
                back.append(seconds_until_pools_work(logs, kill_and_restart(stack, tmp_path, down_s)))
                print(f"down {down_s} s: every pool works {back[-1]:.1f} s after it was back")
        accepted = {job_id for ids in posts.accepted.values() for job_id in ids}
        everybody = [*first, *accepted]
        wait_until(lambda: all_ended(api, everybody), seconds=900, every=2)
        for follower in followers:
            follower.join(30)

        jobs = {job["job_id"]: job for job in every_job(api)}
        found = watch.runs(logs, {})
        figures.update(
            accepted=len(everybody),
            completed=sum(job["status"] == "completed" for job in jobs.values()),
            kept_jobs=len(jobs),
            answers=dict(posts.answers.most_common()),
            running_of_the_thirty_at_each_kill=running,
            back_s=[round(seconds, 1) for seconds in back],
            connections=sum(follower.connections for follower in followers),
            followers_told_the_end=sum(bool(follower.ends) for follower in followers),
            at_once=len(watch.at_once(found)),
        )
        assert set(everybody) == set(jobs), "a job that was accepted is gone, or one that nobody asked for is there"
        assert {job["status"] for job in jobs.values()} == {"completed"}
        assert all(len(ids) == 1 for ids in posts.accepted.values())
        assert max(back) <= BACK_WITHIN_S
        assert watch.at_once(found) == []
        for follower in followers:
            assert follower.ends == ["completed"]
            assert follower.percentages == sorted(follower.percentages)
            assert follower.ids == sorted(follower.ids)
        assert min(running) > 0, "the jobs ended before the database died the last time"
        assert sum(follower.connections for follower in followers) > 2 * CLIENTS, "too few had to come back"


def every_job(api: Api) -> Iterator[dict[str, Any]]:
    cursor: dict[str, str] = {}
    while True:
        page = api.http.get("/api/v1/jobs", params={"limit": 100, **cursor}).raise_for_status().json()
        yield from page["jobs"]
        if not page["next_cursor"]:
            return
        cursor = {"cursor": page["next_cursor"]}


def all_ended(api: Api, job_ids: list[str]) -> bool:
    unfinished = set(job_ids) - {job["job_id"] for job in every_job(api) if job["status"] in TERMINAL}
    return not unfinished
