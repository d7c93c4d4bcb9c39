"""Many clients of one web process: what it listens to, what it refuses, who leaves without a word, and its death."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from httpx_sse import connect_sse

from shared.redis.keys import channel
from tests.conftest import wait_until
from tests.integration.conftest import Web, running_web, used
from tests.integration.stream_clients import (
    Follower,
    Worker,
    kill_worker,
    publish,
    raw_stream,
    read_until,
    streams,
    vanish,
)


@pytest.fixture
def own_server(tmp_path: Path, valkey_url: str) -> Iterator[Web]:
    """A server of the test's own, with few places, so that it may be filled and killed."""
    with (
        running_web(tmp_path, valkey_url, LOCAL_MEDIA_DIR=str(tmp_path), MAX_STREAMS="500") as url,
        used(url, valkey_url, tmp_path) as web,
    ):
        yield web


@contextmanager
def watched(web: Web, job_ids: list[str], *, receive_buffer: int | None = None) -> Iterator[list[socket.socket]]:
    """One client for each id, past the beginning of its stream."""
    with ExitStack() as stack:
        clients = [stack.enter_context(raw_stream(web, job_id, receive_buffer=receive_buffer)) for job_id in job_ids]
        for client in clients:
            read_until(client, b"event:progress")
        yield clients


def listened_to(web: Web, job_ids: list[str]) -> list[int]:
    """How many connections Redis would send each job's events to."""
    counts = dict(web.store.redis.pubsub_numsub(*map(channel, job_ids)))
    return [counts[channel(job_id)] for job_id in job_ids]


# --- what is listened to ----------------------------------------------------------------------------------------------


def test_only_jobs_that_are_watched_are_listened_to_and_once_a_process(web: Web) -> None:
    watched_id, other_id = web.submit(), web.submit()

    with watched(web, [watched_id] * 5):
        assert listened_to(web, [watched_id, other_id]) == [1, 0]
        assert web.store.redis.pubsub_numpat() == 0

    web.http.delete(f"/api/v1/analysis/{watched_id}")
    wait_until(lambda: listened_to(web, [watched_id, other_id]) == [0, 0], seconds=20)
    assert streams(web) == 0


def test_a_job_is_listened_to_until_the_last_client_has_left(web: Web) -> None:
    job_id, left_id = web.submit(), web.submit()
    with watched(web, [job_id]) as (stays,):
        with watched(web, [job_id] * 3 + [left_id]):
            assert streams(web) == 5

        wait_until(lambda: streams(web) == 1, seconds=25)
        assert listened_to(web, [job_id, left_id]) == [1, 0]
        Worker(web, job_id).claim()
        assert b'"downloading"' in read_until(stays, b"downloading")
    web.http.delete(f"/api/v1/analysis/{job_id}")
    wait_until(lambda: streams(web) == 0)


def test_who_joins_while_the_last_one_leaves_misses_nothing(web: Web) -> None:
    # Given a job whose stream ends and begins again, so that subscriptions come and go in quick succession
    for _ in range(30):
        job_id = web.submit()
        worker = Worker(web, job_id)
        with watched(web, [job_id]) as (first,):
            web.http.delete(f"/api/v1/analysis/{job_id}")
            read_until(first, b"event:stream_ended")
        web.http.post(f"/api/v1/analysis/{job_id}/retry").raise_for_status()

        # When something happens right after the new client was told the beginning
        with watched(web, [job_id]) as (second,):
            worker.claim(attempt=2)

            # Then it is told
            read_until(second, b'"downloading"')
            worker.fail()
            read_until(second, b"event:stream_ended")


# --- ceilings ---------------------------------------------------------------------------------------------------------


def test_beyond_the_most_streams_a_client_is_told_when_to_come_again(tmp_path: Path, valkey_url: str) -> None:
    with (
        running_web(tmp_path, valkey_url, LOCAL_MEDIA_DIR=str(tmp_path), MAX_STREAMS="3") as url,
        used(url, valkey_url, tmp_path) as web,
    ):
        first, other = web.submit(), web.submit()
        with watched(web, [first] * 3):
            refused = web.http.get(f"/api/v1/analysis/{other}/stream")

            assert refused.status_code == 503
            assert refused.headers["Content-Type"] == "application/problem+json"
            assert refused.headers["Retry-After"] == "30"
            assert refused.json()["code"] == "SERVICE_UNAVAILABLE"
            assert web.http.get(f"/api/v1/analysis/{other}").is_success
            web.http.delete(f"/api/v1/analysis/{first}")
            wait_until(lambda: streams(web) == 0)

        with watched(web, [other]):
            assert streams(web) == 1


def test_frozen_and_gone_clients_leave_nothing_behind_and_slow_nobody(own_server: Web) -> None:
    # Given 100 clients that read nothing more, 100 that vanish, and 200 that read, all of one job
    web, job_id = own_server, own_server.submit()
    worker = Worker(web, job_id)
    with (
        watched(web, [job_id] * 100, receive_buffer=4096) as frozen,
        watched(web, [job_id] * 100) as gone,
        watched(web, [job_id] * 200) as reading,
    ):
        for client in gone:
            vanish(client)

        # When more happens than the kernel keeps for who does not read
        for number in range(20):
            publish(web, job_id, number, padding="x" * 20_000)
            for client in reading:
                read_until(client, b'"number": %d' % number)

        # Then those who read had everything as it came, and of the others nobody is left
        wait_until(lambda: streams(web) == 200, seconds=60)
        worker.claim()
        worker.fail()
        for client in reading:
            assert b"event:failed" in read_until(client, b"event:stream_ended")
        wait_until(lambda: streams(web) == 0, seconds=20)
        assert listened_to(web, [job_id]) == [0]
        assert len(frozen) == 100


# --- the process dies -------------------------------------------------------------------------------------------------


def test_the_death_of_the_process_costs_its_clients_nothing(own_server: Web, tmp_path: Path) -> None:
    # Given 50 clients of 10 jobs
    web, job_ids = own_server, [own_server.submit() for _ in range(10)]
    workers = [Worker(web, job_id) for job_id in job_ids]
    followers = [Follower(web, job_id) for job_id in job_ids * 5]
    for follower in followers:
        follower.start()
    for follower in followers:
        assert follower.is_waiting.wait(60)

    # When the process is killed three times while the jobs go on, and at last while they end
    for stage in range(3):
        for worker in workers:
            worker.claim(stage)
        is_replaced = kill_worker(tmp_path / "web.log")
        for worker in workers:
            worker.finish()
        wait_until(is_replaced, seconds=60)
    for worker in workers:
        worker.claim(3)
        worker.fail()

    # Then each was told everything once and in order
    for follower in followers:
        follower.join(90)
        assert not follower.is_alive()
        follower.check(ends="failed")
        assert follower.connections > 1


def test_who_saw_the_end_is_not_told_it_again(web: Web) -> None:
    job_id = web.submit()
    worker = Worker(web, job_id)
    worker.claim()
    worker.fail()
    latest = web.store.last_event(job_id)
    assert latest

    path = f"/api/v1/analysis/{job_id}/stream"
    with connect_sse(web.http, "GET", path, headers={"Last-Event-ID": latest.id}) as source:
        assert [event.event for event in source.iter_sse()] == ["connected", "progress", "stream_ended"]


def test_a_server_that_keeps_its_connections_streams_too(tmp_path: Path, valkey_url: str) -> None:
    # Given Flask's own server, with a thread for each request
    server = ("flask", "--app", "web", "run", "--port", "{port}")
    with running_web(tmp_path, valkey_url, server=server) as url, used(url, valkey_url, tmp_path) as web:
        job_id = web.submit("https://www.twitch.tv/videos/123456789")
        with connect_sse(web.http, "GET", f"/api/v1/analysis/{job_id}/stream") as source:
            events = source.iter_sse()
            told = [next(events), next(events)]
            Worker(web, job_id).claim()
            web.http.delete(f"/api/v1/analysis/{job_id}")
            told += list(events)

    assert [event.event for event in told][-2:] == ["cancelled", "stream_ended"]
    assert [event.json()["update_count"] for event in told] == list(range(len(told)))
