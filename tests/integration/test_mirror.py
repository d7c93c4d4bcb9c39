"""Jobs and their rows: a real Valkey on one side, the Convex stand-in on the other."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from structlog.testing import capture_logs

from shared import jobs
from shared.errors import NetworkTimeout
from shared.jobs import Job, utc_now
from shared.redis import keys, outbox
from shared.redis.breaker import Breakers
from shared.redis.keys import BREAKER
from shared.redis.store import JobStore
from shared.stages import STAGES
from tests.jobs_made import numbered_job
from tests.peers.convex_peer import DEPLOY_KEY, ConvexPeer, running_convex
from tests.peers.flaky import running_proxy
from tests.results_made import results
from workers.delivery.convex import ConvexClient
from workers.delivery.mirror import GIVE_UP_MS, MirrorSender, forget_all
from workers.delivery.sweep import now_ms, sweep

PUBLIC = "https://klip.example"
RESULTS = results(audio_url="/api/v1/analysis/job1/files/audio.m4a")


@pytest.fixture(scope="module")
def server() -> Iterator[ConvexPeer]:
    with running_convex() as running:
        yield running


@pytest.fixture
def peer(server: ConvexPeer) -> ConvexPeer:
    server.reset()
    return server


@pytest.fixture
def sender(store: JobStore, peer: ConvexPeer) -> MirrorSender:
    breakers = Breakers(store.redis)
    client = ConvexClient(peer.url, DEPLOY_KEY, call_for=lambda job_id: breakers.of("convex", about=job_id))
    return MirrorSender(store, client, public_url=PUBLIC)


def run_sweep(store: JobStore, sender: MirrorSender) -> None:
    sweep(store.redis, keys.MIRROR_DUE, sender.send)


def all_due(store: JobStore) -> None:
    """Turn the clock: everything that waits is due."""
    for job_id in store.redis.zrange(keys.MIRROR_DUE, 0, -1):
        store.redis.zadd(keys.MIRROR_DUE, {str(job_id): 0})


def start(store: JobStore, number: int = 1, **changes: Any) -> Job:
    job = replace(numbered_job(number), **changes)
    store.create(job, max_active=100)
    claim = partial(jobs.claim, stage=STAGES[0], attempt=1, holder="w", now=utc_now())
    return store.change(job.job_id, claim, lease="take")


def report(store: JobStore, job: Job, fraction: float) -> Job:
    return store.change(
        job.job_id, partial(jobs.report, token=job.token, fraction=fraction, eta_seconds=9, now=utc_now())
    )


def complete(store: JobStore, job: Job) -> Job:
    for stage in STAGES:
        if job.holder is None:
            job = store.change(
                job.job_id, partial(jobs.claim, stage=stage, attempt=1, holder="w", now=utc_now()), lease="take"
            )
        made = RESULTS if stage is STAGES[-1] else None
        finish = partial(jobs.finish, token=job.token, seconds=1.0, now=utc_now(), results=made)
        job = store.change(job.job_id, finish, lease="drop")
    return job


def statuses(peer: ConvexPeer, job_id: str = "job1") -> list[str]:
    return [
        call["args"]["status"] for call in peer.calls() if call["args"].get("jobId") == job_id and "seq" in call["args"]
    ]


def test_every_status_of_a_job_is_shown_in_order(store: JobStore, peer: ConvexPeer, sender: MirrorSender) -> None:
    complete(store, start(store))

    run_sweep(store, sender)

    assert statuses(peer) == [
        "Queued",
        "Downloading",
        "Fetching chat",
        "Transcribing",
        "Analyzing",
        "Finding highlights",
        "Completed",
    ]
    (row,) = peer.rows()
    assert (row["progressPercentage"], row["title"]) == (100, "")
    assert row["stageProgress"] == dict.fromkeys([stage.name for stage in STAGES], 100)
    assert not store.redis.exists(keys.MIRROR_DUE, keys.mirror_states("job1"))


def test_the_addresses_are_written_before_the_job_shows_as_completed(
    store: JobStore, peer: ConvexPeer, sender: MirrorSender
) -> None:
    complete(store, start(store))

    run_sweep(store, sender)

    paths = [call["path"] for call in peer.calls()]
    assert paths[-2:] == ["video:updateUrls", "video:completeJob"]
    (row,) = peer.rows()
    assert row["audio_url"] == f"{PUBLIC}/api/v1/analysis/job1/files/audio.m4a"
    assert row["audioUrl"] == row["audio_url"]
    assert not {"video_url", "videoUrl"} & row.keys()


def test_a_deployment_with_the_old_functions_only_gets_status_and_addresses(
    store: JobStore, peer: ConvexPeer, sender: MirrorSender
) -> None:
    peer.reset(deployed="before")
    for number in (1, 2):
        peer.post("mutation", "video:createVideoMinimal", {"twitch_id": f"10{number}", "status": "Queued"})

    with capture_logs() as logs:
        for number in (1, 2):
            complete(store, start(store, number, video_id=f"10{number}"))
            run_sweep(store, sender)

    for row in peer.rows():
        assert row["status"] == "Completed"
        assert row["audio_url"] == f"{PUBLIC}/api/v1/analysis/job1/files/audio.m4a"
    of_the_first = [call["args"] for call in peer.calls() if call["args"].get("twitchId") == "101"]
    assert [args["status"] for args in of_the_first if "status" in args] == [
        "Queued",
        *(stage.title for stage in STAGES),
        "Completed",
    ]
    # Who sees the job completed finds its files.
    assert "urls" in of_the_first[-2]
    assert [entry["event"] for entry in logs].count("mirror_has_old_functions_only") == 1
    assert not store.redis.exists(keys.MIRROR_DUE)


def test_progress_waits_two_seconds_and_a_new_status_does_not(store: JobStore, sender: MirrorSender) -> None:
    job = start(store)
    run_sweep(store, sender)
    report(store, job, 0.2)
    waits_ms = float(store.redis.zscore(keys.MIRROR_DUE, "job1") or 0) - now_ms(store.redis)

    store.change("job1", partial(jobs.cancel, now=utc_now()), lease="drop")
    due_at = float(store.redis.zscore(keys.MIRROR_DUE, "job1") or 0)

    assert 0 < waits_ms <= outbox.MIRROR_EVERY_MS
    assert due_at <= now_ms(store.redis)


def test_of_many_reports_the_newest_is_sent(store: JobStore, peer: ConvexPeer, sender: MirrorSender) -> None:
    job = start(store)
    run_sweep(store, sender)
    for fraction in (0.1, 0.2, 0.3):
        report(store, job, fraction)
    before = len(peer.calls())
    all_due(store)

    run_sweep(store, sender)

    assert len(peer.calls()) == before + 1
    assert peer.rows()[0]["progressPercentage"] == 9
    assert peer.rows()[0]["estimatedCompletionSeconds"] == 9


def test_a_failed_job_shows_its_error(store: JobStore, peer: ConvexPeer, sender: MirrorSender) -> None:
    job = start(store)
    failed = store.change("job1", partial(jobs.fail, token=job.token, error=NetworkTimeout(), now=utc_now()))

    run_sweep(store, sender)

    (row,) = peer.rows()
    assert (row["status"], row["errorCode"], row["errorType"]) == ("Failed", "NETWORK_TIMEOUT", "network_error")
    assert row["isRetryable"] is True
    assert failed.error is not None
    assert row["supportReference"] == failed.error.support_reference
    assert row["processingCompletedAt"] > 0


def test_twenty_jobs_are_right_again_after_an_outage(store: JobStore, peer: ConvexPeer, sender: MirrorSender) -> None:
    peer.control("drop")
    running = [start(store, number) for number in range(20)]
    run_sweep(store, sender)
    for job in running[:10]:
        complete(store, job)
    run_sweep(store, sender)
    assert peer.rows() == []
    assert store.redis.hget(f"{BREAKER}convex", "state") == "open"

    peer.control(None)
    store.redis.hset(f"{BREAKER}convex", "opened_at", 0)
    while store.redis.zcard(keys.MIRROR_DUE):
        all_due(store)
        run_sweep(store, sender)

    rows = {row["jobId"]: row for row in peer.rows()}
    assert len(rows) == 20
    for job in map(store.get, rows):
        assert rows[job.job_id]["seq"] == job.seq
        assert rows[job.job_id]["progressPercentage"] == job.percentage


def test_what_fails_stays_due_later(store: JobStore, peer: ConvexPeer, sender: MirrorSender) -> None:
    peer.control("503", times=1)
    start(store)

    run_sweep(store, sender)

    assert store.redis.zscore(keys.MIRROR_DUE, "job1") is not None
    all_due(store)
    run_sweep(store, sender)
    assert statuses(peer) == ["Queued", "Downloading"]
    assert store.redis.zscore(keys.MIRROR_DUE, "job1") is None


def test_the_waits_grow_anew_after_something_got_through(store: JobStore, peer: ConvexPeer) -> None:
    complete(store, start(store))
    with running_proxy(peer.url) as proxy:
        proxy.fail = lambda _method, _path, number: number in {1, 2, 3, 6}
        sender = MirrorSender(store, ConvexClient(proxy.url, DEPLOY_KEY), public_url=PUBLIC)
        for _ in range(4):
            all_due(store)
            run_sweep(store, sender)

    assert len(statuses(peer)) == 2
    assert store.redis.hget(keys.mirror_failing("job1"), "tries") == "1"


def test_after_a_day_of_failures_it_is_given_up_and_told(
    store: JobStore, peer: ConvexPeer, sender: MirrorSender
) -> None:
    peer.control("503")
    start(store)
    run_sweep(store, sender)
    began = now_ms(store.redis) - GIVE_UP_MS - 1
    store.redis.hset(keys.mirror_failing("job1"), "since", began)
    all_due(store)

    with capture_logs() as logs:
        run_sweep(store, sender)

    assert "mirror_given_up" in [entry["event"] for entry in logs]
    assert not store.redis.exists(keys.MIRROR_DUE, keys.mirror_states("job1"), keys.mirror_failing("job1"))


def test_a_refusal_is_told_once_with_the_field_and_not_tried_again(
    store: JobStore, peer: ConvexPeer, sender: MirrorSender
) -> None:
    bad = {"video_id": 7}
    with capture_logs() as logs:
        for number in (1, 2):
            start(store, number, **bad)
            run_sweep(store, sender)

    told = [entry for entry in logs if entry["event"] == "mirror_refused"]
    assert [entry["field"] for entry in told] == ["twitchId"]
    assert not store.redis.exists(keys.MIRROR_DUE)
    assert not Breakers(store.redis).of("convex", about="any").is_open()


def test_a_change_during_the_send_is_sent_next(store: JobStore, peer: ConvexPeer, sender: MirrorSender) -> None:
    job = start(store)

    class Meanwhile(ConvexClient):
        def mutation(self, path: str, args: Mapping[str, object]) -> object:
            if args["status"] == "Downloading":
                report(store, job, 0.5)
            return super().mutation(path, args)

    busy = MirrorSender(store, Meanwhile(peer.url, DEPLOY_KEY), public_url=PUBLIC)
    busy.send("job1")
    store.redis.delete(keys.mirror_states("job1"))
    assert store.redis.zscore(keys.MIRROR_DUE, "job1") is not None

    all_due(store)
    run_sweep(store, sender)
    assert peer.rows()[0]["seq"] == store.get("job1").seq


def test_a_sender_that_died_leaves_the_job_due(store: JobStore, peer: ConvexPeer, sender: MirrorSender) -> None:
    start(store)

    class Dies(ConvexClient):
        def mutation(self, path: str, args: Mapping[str, object]) -> object:
            super().mutation(path, args)
            raise SystemExit

    with pytest.raises(SystemExit):
        MirrorSender(store, Dies(peer.url, DEPLOY_KEY), public_url=PUBLIC).send("job1")
    run_sweep(store, sender)

    assert peer.rows()[0]["status"] == "Downloading"
    assert not store.redis.exists(keys.MIRROR_DUE)


def test_a_removed_job_leaves_nothing_behind(store: JobStore, sender: MirrorSender) -> None:
    start(store)
    store.delete(store.change("job1", partial(jobs.cancel, now=utc_now()), lease="drop"))

    run_sweep(store, sender)

    assert store.redis.keys("klip:mirror:*") == []


def test_the_row_of_a_job_that_its_owner_removed_goes_too(
    store: JobStore, sender: MirrorSender, peer: ConvexPeer
) -> None:
    start(store, 1)
    start(store, 2)
    run_sweep(store, sender)
    assert len(peer.rows()) == 2

    store.delete(store.change("job1", partial(jobs.cancel, now=utc_now()), lease="drop"), tell_mirror=True)
    run_sweep(store, sender)

    assert [row["jobId"] for row in peer.rows()] == ["job2"]
    assert store.redis.keys("klip:mirror:*job1*") == []


def test_a_deployment_that_can_not_remove_keeps_the_row_and_nothing_is_due(
    store: JobStore, sender: MirrorSender, peer: ConvexPeer
) -> None:
    peer.reset(deployed="before")
    start(store)
    run_sweep(store, sender)

    store.delete(store.change("job1", partial(jobs.cancel, now=utc_now()), lease="drop"), tell_mirror=True)
    run_sweep(store, sender)

    assert not store.redis.exists(keys.MIRROR_DUE)


def test_without_a_mirror_nothing_is_kept_for_it(store: JobStore) -> None:
    start(store)

    forget_all(store.redis)

    assert store.redis.keys("klip:mirror:*") == []
