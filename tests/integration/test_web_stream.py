"""Progress streams on a real server, fed through Redis by real changes of jobs."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from httpx_sse import ServerSentEvent, connect_sse

from shared import jobs
from shared.stages import STAGES
from tests.conftest import wait_until
from tests.integration.conftest import Web
from tests.integration.stream_clients import Worker, publish, raw_stream, read_until, streams
from tests.results_made import results


@pytest.fixture
def job_id(web: Web) -> Iterator[str]:
    """A new job. Its end afterwards makes the server notice every client that has left."""
    made = web.submit()
    yield made
    web.http.delete(f"/api/v1/analysis/{made}")
    wait_until(lambda: streams(web) == 0, seconds=20)


@pytest.fixture
def worker(web: Web, job_id: str) -> Worker:
    return Worker(web, job_id)


@contextmanager
def followed(web: Web, job_id: str, *, seen: str | None = None) -> Iterator[Iterator[ServerSentEvent]]:
    headers = {"Last-Event-ID": seen} if seen else {}
    path = f"/api/v1/analysis/{job_id}/stream"
    with connect_sse(web.http, "GET", path, headers=headers) as source:
        yield source.iter_sse()


def rest(events: Iterator[ServerSentEvent]) -> list[ServerSentEvent]:
    """Everything until the server closes the stream."""
    return list(events)


def kinds(events: list[ServerSentEvent]) -> list[str]:
    return [event.event for event in events]


def statuses(events: list[ServerSentEvent]) -> list[str]:
    return [event.json()["status"] for event in events]


# --- the course of a stream -------------------------------------------------------------------------------------------


def test_a_stream_tells_the_whole_story_and_ends(web: Web, job_id: str, worker: Worker) -> None:
    with followed(web, job_id) as events:
        first = [next(events), next(events)]
        worker.complete()
        story = first + rest(events)

    assert kinds(story)[:2] == ["connected", "progress"]
    assert kinds(story)[-2:] == ["completed", "stream_ended"]
    assert list(dict.fromkeys(statuses(story))) == ["queued", *(stage.status for stage in STAGES), "completed"]
    percentages = [event.json()["progress"]["percentage"] for event in story]
    assert percentages == sorted(percentages)
    assert story[-2].json()["results"]["highlights"] == 3


def test_every_event_carries_the_documented_members(web: Web, job_id: str, worker: Worker) -> None:
    with followed(web, job_id) as events:
        story = [next(events), next(events)]
        worker.claim()
        worker.fail()
        story += rest(events)

    data = [event.json() for event in story]
    wanted = {"event", "job_id", "status", "progress", "metadata", "timestamp", "connection_id", "update_count"}
    assert all(set(each) >= wanted for each in data)
    assert [each["event"] for each in data] == kinds(story)
    assert {each["job_id"] for each in data} == {job_id}
    assert len({each["connection_id"] for each in data}) == 1
    assert [each["update_count"] for each in data] == list(range(len(data)))
    assert all(event.id for event in story)
    assert data[-2]["error"]["code"] == "UNSUPPORTED_FORMAT"
    assert story[0].retry == 3000


def test_a_stream_begins_with_the_place_in_the_queue(web: Web) -> None:
    ids = [web.submit(f"file:{number}.mp4") for number in range(5)]

    with followed(web, ids[-1]) as events:
        begins = [next(events).json(), next(events).json()]

    assert [event["progress"]["waiting"]["position"] for event in begins] == [3, 3]


def test_the_stream_is_one_that_browsers_and_proxies_pass_on(web: Web, job_id: str) -> None:
    with web.http.stream("GET", f"/api/v1/analysis/{job_id}/stream") as answer:
        headers = answer.headers

    assert headers["Content-Type"] == "text/event-stream; charset=utf-8"
    assert headers["Cache-Control"] == "no-cache"
    assert headers["X-Accel-Buffering"] == "no"


def test_of_an_ended_job_the_present_state_and_the_end_are_told(web: Web, job_id: str, worker: Worker) -> None:
    worker.claim()
    worker.fail()

    with followed(web, job_id) as events:
        assert kinds(rest(events)) == ["connected", "progress", "failed", "stream_ended"]


def test_a_cancelled_job_ends_its_streams(web: Web, job_id: str) -> None:
    with followed(web, job_id) as events:
        first = [next(events), next(events)]
        web.http.delete(f"/api/v1/analysis/{job_id}")

        assert kinds(first + rest(events)) == ["connected", "progress", "cancelled", "stream_ended"]


def test_a_burst_of_reports_is_thinned_but_its_last_and_each_status_arrive(
    web: Web, job_id: str, worker: Worker
) -> None:
    with followed(web, job_id) as events:
        story = [next(events), next(events)]
        worker.claim(0)
        for number in range(200):
            worker.report(number / 200)
        worker.report(0.999)
        story += [next(event for event in events if event.json()["progress"]["stage_progress"]["download"] == 99.9)]
        worker.finish()
        worker.claim(1)
        worker.fail()
        story += rest(events)

    assert len(story) < 100
    assert kinds(story)[-2:] == ["failed", "stream_ended"]
    assert "fetching_chat" in statuses(story)


def test_text_of_every_kind_arrives_whole(web: Web, job_id: str, worker: Worker) -> None:
    made = results(chat_url='a\nb\r\nc\u2028d\u2029e\x85f "ü" 😀')
    for stage in range(len(STAGES)):
        worker.claim(stage)
        token = web.store.get(job_id).token
        worker.change(jobs.finish, token=token, seconds=1.0, results=made)

    with followed(web, job_id) as events:
        assert rest(events)[2].json()["results"] == made.as_dict()


# --- coming back ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("by", ["header", "parameter"])
def test_what_was_missed_is_told_again_in_order(web: Web, job_id: str, worker: Worker, by: str) -> None:
    with followed(web, job_id) as events:
        seen = [next(events), next(events)][-1].id
    worker.complete()
    after_first = web.store.events_after(job_id, seen)
    assert after_first

    path = f"/api/v1/analysis/{job_id}/stream"
    headers, params = ({"Last-Event-ID": seen}, {}) if by == "header" else ({}, {"last_event_id": seen})
    with connect_sse(web.http, "GET", path, headers=headers, params=params) as source:
        story = list(source.iter_sse())

    assert [event.id for event in story[1:-1]] == [event.id for event in after_first]
    assert kinds(story)[-2:] == ["completed", "stream_ended"]


def test_who_missed_nothing_gets_the_present_state(web: Web, job_id: str, worker: Worker) -> None:
    worker.claim()
    with followed(web, job_id) as events:
        seen = [next(events), next(events)][-1]

    with followed(web, job_id, seen=seen.id) as events:
        again = [next(events), next(events)]

    assert kinds(again) == ["connected", "progress"]
    assert again[1].json()["status"] == "downloading"
    assert again[1].id == seen.id


@pytest.mark.parametrize("seen", ["1-1", "99999999999999-0", "garbage", "-", "+", "(1-1", "$", "0-0", "1-1\u00e4"])
def test_an_unknown_id_gets_the_present_state(web: Web, job_id: str, worker: Worker, seen: str) -> None:
    worker.claim()
    worker.report(0.5)

    path = f"/api/v1/analysis/{job_id}/stream"
    with connect_sse(web.http, "GET", path, params={"last_event_id": seen}) as source:
        events = source.iter_sse()
        story = [next(events), next(events)]

    assert kinds(story) == ["connected", "progress"]
    assert story[1].json()["progress"]["percentage"] == 15.0


def test_a_failure_that_was_retried_does_not_end_the_replay(web: Web, job_id: str, worker: Worker) -> None:
    with followed(web, job_id) as events:
        seen = [next(events), next(events)][-1].id
    worker.claim()
    worker.fail()
    worker.change(jobs.retry)

    with followed(web, job_id, seen=seen) as events:
        story = [next(events), next(events), next(events)]
        worker.claim(attempt=2)
        following = next(events)

    assert kinds(story) == ["connected", "progress", "progress"]
    assert statuses(story)[1:] == ["downloading", "queued"]
    assert following.json()["status"] == "downloading"


def test_nothing_is_lost_when_the_connection_to_redis_breaks(web: Web, job_id: str, worker: Worker) -> None:
    with followed(web, job_id) as events:
        story = [next(events), next(events)]
        web.store.redis.client_kill_filter(_type="pubsub")
        worker.claim()
        worker.fail()
        story += rest(events)

    assert statuses(story) == ["queued", "queued", "downloading", "failed", "failed"]


# --- many clients -----------------------------------------------------------------------------------------------------


def test_all_clients_of_a_process_share_one_subscription(
    web: Web, job_id: str, worker: Worker, connected_clients: Callable[[], int]
) -> None:
    clients = [raw_stream(web, job_id) for _ in range(30)]
    try:
        for client in clients:
            read_until(client, b"event:progress")
        assert connected_clients() == 1
        worker.claim()
        worker.fail()
        told = [read_until(client, b"event:stream_ended").decode() for client in clients]
    finally:
        for client in clients:
            client.close()

    assert all("event:failed" in text for text in told)
    assert len({re.findall(r'"connection_id": "(\w+)"', text)[0] for text in told}) == 30


def test_a_client_that_stops_reading_is_dropped_and_slows_nobody(web: Web, job_id: str, worker: Worker) -> None:
    # Given a client that reads nothing after the beginning, and one that does
    frozen = raw_stream(web, job_id, receive_buffer=4096)
    read_until(frozen, b"event:progress")
    wait_until(lambda: streams(web) == 1)
    try:
        with followed(web, job_id) as events:
            story = [next(events), next(events)]
            # When far more is published than the kernel keeps for a client
            for number in range(60):
                publish(web, job_id, number, padding="x" * 20_000)
                story.append(next(events))
            # Then the frozen one is dropped, and the other had everything at once
            assert [event.json().get("number") for event in story[2:]] == list(range(60))
            wait_until(lambda: streams(web) == 1, seconds=30)
            worker.claim()
            worker.fail()
            assert kinds(rest(events))[-2:] == ["failed", "stream_ended"]
    finally:
        frozen.close()


def test_a_client_that_left_is_noticed_and_one_that_waits_hears_a_comment(web: Web, job_id: str) -> None:
    with raw_stream(web, job_id) as waiting:
        with raw_stream(web, job_id) as left:
            read_until(left, b"event:progress")
            read_until(waiting, b"event:progress")
            assert streams(web) == 2

        read_until(waiting, b"\n: ")
        wait_until(lambda: streams(web) == 1, seconds=5)


def test_asking_for_the_headers_alone_opens_no_stream(web: Web, job_id: str) -> None:
    answer = web.http.head(f"/api/v1/analysis/{job_id}/stream")

    assert (answer.status_code, answer.content) == (200, b"")
    assert streams(web) == 0
