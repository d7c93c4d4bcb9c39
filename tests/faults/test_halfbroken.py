"""One sick VOD, recording or minute beside ten healthy jobs: the sick job ends as it should, the others notice nothing.

Ten healthy jobs run alone and beside the sick one; their medians are compared.
"""

import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
import redis
import requests

from shared.redis.connection import connect
from tests.acceptance.conftest import TERMINAL, Api, running_stack
from tests.conftest import read_settings_for, wait_until
from tests.faults import watch
from tests.faults.conftest import VODS
from tests.peers.twitch_process import TwitchPeer

HEALTHY = VODS[:10]
SICK = "9700"
SICK_SECONDS = 60
COMMENTS = 400
SLOWER = 1.2
NOISE_S = 1.0
ROUNDS = 3
CALM_S = 30.0
TYPED_S = 180.0
TAKES_WORK_S = 10.0
READ_ONLY_S = 25.0
OPTIONS = {"clips": False, "highlights": 3}

NULL: dict[str, Any] = {"merge": {"video": {"comments": None}}}
ERRORS: dict[str, Any] = {"body": {"errors": [{"message": "service timeout"}], "data": None}, "status": 200}


class Running(NamedTuple):
    """A stack on stand-ins. deepgram: that stand-in's address."""

    api: Api
    redis: redis.Redis
    logs: Path
    twitch: TwitchPeer
    deepgram: str

    def calm(self) -> None:
        self.twitch.control(reset=True)
        requests.post(f"{self.deepgram}/_control", json={"reset": True}, timeout=10).raise_for_status()

    def open_breakers(self) -> list[str]:
        """Which have ever opened."""
        found = self.api.http.get("/api/v1/reliability").raise_for_status().json()["breakers"]
        return [name for name, figures in found.items() if figures["openings"]]


@pytest.fixture(scope="module")
def running(peer: TwitchPeer, listener: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("halfbroken")
    settings = {**listener, "TRANSCRIBER": "deepgram", "TWITCH_HOST_MAP": peer.setting()}
    peer.control(vods=[{"id": SICK, "seconds": SICK_SECONDS, "comments": COMMENTS}])
    with running_stack(folder, **settings) as stack, Api(stack.url) as api:
        client = connect(read_settings_for(folder), retries=3)
        yield Running(api, client, folder / "logs", peer, listener["DEEPGRAM_BASE_URL"])
        client.close()


class Peace(NamedTuple):
    """What each VOD's job warns of, and the size of its sound."""

    warnings: dict[str, list[str]]
    sound_bytes: dict[str, int]


@pytest.fixture(scope="module")
def in_peace(running: Running) -> Peace:
    jobs = ended(running, submit(running, [*HEALTHY, SICK])).jobs
    assert {job["status"] for job in jobs} == {"completed"}, [job["error"] for job in jobs]
    files = {job["video_id"]: file_of(running, job["job_id"], "manifest.json").json()["files"] for job in jobs}
    return Peace(
        {job["video_id"]: job["warnings"] for job in jobs},
        {vod: made["audio.m4a"]["size"] for vod, made in files.items()},
    )


@pytest.fixture(autouse=True)
def _calm_afterwards(running: Running) -> Iterator[None]:
    yield
    running.calm()
    for job in running.api.http.get("/api/v1/jobs", params={"limit": 50}).raise_for_status().json()["jobs"]:
        if job["status"] not in TERMINAL:
            running.api.http.delete(f"/api/v1/analysis/{job['job_id']}")
    running.redis.delete(*running.redis.scan_iter(match="klip:breaker*"), "none")


def file_of(running: Running, job_id: str, name: str) -> httpx.Response:
    return running.api.http.get(f"/api/v1/analysis/{job_id}/files/{name}").raise_for_status()


class Ended(NamedTuple):
    """seconds: from the submission to the end, of each."""

    jobs: list[dict[str, Any]]
    seconds: list[float]


def submit(running: Running, vods: list[str]) -> dict[str, float]:
    """New jobs: when (monotonic) each was submitted, by its id."""
    return {running.api.submit(vod, force=True, options=OPTIONS)["job_id"]: time.monotonic() for vod in vods}


def ended(running: Running, ids: dict[str, float], *, seconds: float = 300) -> Ended:
    ends: dict[str, float] = {}

    def all_ended() -> bool:
        for job_id in ids.keys() - ends.keys():
            if running.api.job(job_id)["status"] in TERMINAL:
                ends[job_id] = time.monotonic()
        return len(ends) == len(ids)

    wait_until(all_ended, seconds=seconds, every=0.2)
    return Ended([running.api.job(job_id) for job_id in ids], [ends[job_id] - began for job_id, began in ids.items()])


class Beside(NamedTuple):
    """sick: its job's id, and when (monotonic) it was submitted."""

    sick: str
    submitted: float


def healthy_round(running: Running, in_peace: Peace) -> float:
    """The median seconds that ten healthy jobs take, and that they are as ever."""
    healthy = ended(running, submit(running, list(HEALTHY)))
    assert {job["status"] for job in healthy.jobs} == {"completed"}, [job["error"] for job in healthy.jobs]
    assert [job["warnings"] for job in healthy.jobs] == [in_peace.warnings[vod] for vod in HEALTHY]
    return statistics.median(healthy.seconds)


def beside(running: Running, in_peace: Peace, figures: dict[str, Any], break_it: Callable[[], None]) -> Beside:
    """Healthy jobs alone, and then the sick one and healthy ones beside it, until these have ended: as fast as alone.

    The machine does other things too: what is slower is tried again with another sick job, ROUNDS times in all.
    """
    for number in range(ROUNDS):
        alone_s = healthy_round(running, in_peace)
        break_it()
        ((sick, submitted),) = submit(running, [SICK]).items()
        beside_s = healthy_round(running, in_peace)
        figures.setdefault("ratios", []).append(round(beside_s / alone_s, 2))
        if beside_s <= SLOWER * alone_s + NOISE_S:
            return Beside(sick, submitted)
        if number < ROUNDS - 1:
            running.api.http.delete(f"/api/v1/analysis/{sick}")
            running.calm()
    pytest.fail(f"healthy jobs were slower beside the sick one: {figures['ratios']}")


def end_of(running: Running, job_id: str, *, seconds: float) -> dict[str, Any]:
    return running.api.wait(job_id, seconds=seconds)


# --- the rows ---------------------------------------------------------------------------------------------------------


def test_segments_that_answer_503_then_500_then_well(
    running: Running, in_peace: Peace, figures: dict[str, Any]
) -> None:
    found = beside(running, in_peace, figures, lambda: running.twitch.fault("segment:", vod=SICK, status=503))
    running.twitch.control(reset=True)
    running.twitch.fault("segment:", vod=SICK, status=500)
    wait_until(lambda: time.monotonic() - found.submitted > 40, seconds=60)  # how long it lasts is the fault
    running.twitch.control(reset=True)
    calm = time.monotonic()
    job = end_of(running, found.sick, seconds=CALM_S + 60)

    figures |= {"done_after_calm_s": round(time.monotonic() - calm, 1), "opened": running.open_breakers()}
    assert job["status"] == "completed", job["error"]
    assert job["warnings"] == in_peace.warnings[SICK]
    assert figures["done_after_calm_s"] <= CALM_S
    assert not running.open_breakers()


def test_each_segment_answers_503_then_500_then_well(
    running: Running, in_peace: Peace, figures: dict[str, Any]
) -> None:
    def break_it() -> None:
        for number in range(SICK_SECONDS // 2):
            for status in (503, 500):
                running.twitch.fault(f"segment:audio_only/{number}.ts", vod=SICK, times=1, status=status)

    found = beside(running, in_peace, figures, break_it)
    job = end_of(running, found.sick, seconds=120)

    figures |= {"done_after_s": round(time.monotonic() - found.submitted, 1)}
    assert job["status"] == "completed", job["error"]
    assert job["warnings"] == in_peace.warnings[SICK]
    assert not running.open_breakers()


@pytest.mark.parametrize("broken", ["segment:", "usher:", ""], ids=["segments", "usher", "everything"])
def test_a_vod_that_only_answers_500_fails_typed(
    running: Running, in_peace: Peace, figures: dict[str, Any], broken: str
) -> None:
    found = beside(running, in_peace, figures, lambda: running.twitch.fault(broken, vod=SICK, status=500))
    job = end_of(running, found.sick, seconds=TYPED_S + 30)

    seconds = time.monotonic() - found.submitted
    figures |= {"failed_after_s": round(seconds, 1), "code": job["error"]["code"], "opened": running.open_breakers()}
    assert (job["status"], job["error"]["code"]) == ("failed", "EXTERNAL_SERVICE_ERROR")
    assert seconds <= TYPED_S


def test_a_vod_whose_segments_hang_fails_typed(running: Running, in_peace: Peace, figures: dict[str, Any]) -> None:
    found = beside(running, in_peace, figures, lambda: running.twitch.fault("segment:", vod=SICK, stall_s=60))
    job = end_of(running, found.sick, seconds=TYPED_S + 30)

    seconds = time.monotonic() - found.submitted
    figures |= {"failed_after_s": round(seconds, 1), "code": job["error"]["code"]}
    assert (job["status"], job["error"]["code"]) == ("failed", "NETWORK_TIMEOUT")
    assert seconds <= TYPED_S
    assert not running.open_breakers()


def test_the_first_comment_calls_answer_wrong_in_five_ways(
    running: Running, in_peace: Peace, figures: dict[str, Any]
) -> None:
    def break_it() -> None:
        for fault in (NULL, ERRORS, {"status": 503}, {"truncate": 0.5}, NULL):
            running.twitch.fault("comments:", vod=SICK, times=1, **fault)

    found = beside(running, in_peace, figures, break_it)
    job = end_of(running, found.sick, seconds=120)

    assert job["status"] == "completed", job["error"]
    assert job["warnings"] == in_peace.warnings[SICK]
    assert len(file_of(running, found.sick, "chat.jsonl").text.splitlines()) == COMMENTS


@pytest.mark.parametrize("broken", ["comments:", "comments:offset=299"], ids=["all of it", "a page"])
def test_chat_that_cannot_be_had_is_waited_for_and_then_told(
    running: Running, in_peace: Peace, figures: dict[str, Any], broken: str
) -> None:
    running.twitch.control(vods=[{"id": SICK, "seconds": 600, "comments": COMMENTS}])
    fault = NULL if broken == "comments:" else {"status": 500}
    found = beside(running, in_peace, figures, lambda: running.twitch.fault(broken, vod=SICK, **fault))
    job = end_of(running, found.sick, seconds=240)
    running.twitch.control(vods=[{"id": SICK, "seconds": SICK_SECONDS, "comments": COMMENTS}])

    figures |= {"done_after_s": round(time.monotonic() - found.submitted, 1), "warnings": job["warnings"]}
    assert job["status"] == "completed", job["error"]
    timeline = file_of(running, found.sick, "timeline.json").json()
    assert sum(kept["stage"] == "chat" for kept in job["retries"]) == 4
    if broken == "comments:":
        assert timeline["chat_gaps"] == [[0.0, 600.0]]
        assert any("CHAT_UNAVAILABLE" in one and "10.0 min" in one for one in job["warnings"])
    else:
        assert timeline["chat_gaps"] == [[300.0, 360.0]]
        assert "1.0 min of chat are missing: Twitch did not give them out." in job["warnings"]
        assert len(file_of(running, found.sick, "chat.jsonl").text.splitlines()) > COMMENTS / 2
    assert not running.open_breakers()


def test_a_recording_that_deepgram_chokes_on_fails_alone(
    running: Running, in_peace: Peace, figures: dict[str, Any]
) -> None:
    def break_it() -> None:
        sick_only = {"times": 1_000_000, "min_bytes": in_peace.sound_bytes[SICK], "do": {"status": 500}}
        requests.post(f"{running.deepgram}/_control", json={"faults": [sick_only]}, timeout=10).raise_for_status()

    assert max(in_peace.sound_bytes[vod] for vod in HEALTHY) < in_peace.sound_bytes[SICK]
    found = beside(running, in_peace, figures, break_it)
    job = end_of(running, found.sick, seconds=TYPED_S)

    figures |= {"failed_after_s": round(time.monotonic() - found.submitted, 1)}
    assert (job["status"], job["error"]["code"]) == ("failed", "TRANSCRIPTION_SERVICE_ERROR")
    assert not running.open_breakers()


def test_pools_take_work_soon_after_redis_was_read_only(running: Running, figures: dict[str, Any]) -> None:
    alone = min(ended(running, submit(running, [vod])).seconds[0] for vod in VODS[:3])
    under = submit(running, [VODS[3]])
    running.redis.replicaof("127.0.0.1", "1")
    began = time.monotonic()
    wait_until(lambda: time.monotonic() - began > READ_ONLY_S, seconds=READ_ONLY_S + 5)
    running.redis.replicaof("NO", "ONE")
    back = time.time()

    following = ended(running, submit(running, [VODS[4]]))
    survived = ended(running, under)

    claims = [run.began - back for run in watch.runs(running.logs, {}) if run.began > back]
    figures |= {
        "alone_s": round(alone, 1),
        "next_s": round(following.seconds[0], 1),
        "claimed_after_s": round(min(claims), 1),
    }
    assert [job["status"] for job in (*following.jobs, *survived.jobs)] == ["completed", "completed"]
    assert min(claims) <= TAKES_WORK_S
    assert following.seconds[0] <= max(2 * alone, TAKES_WORK_S)
