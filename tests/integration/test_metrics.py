"""`GET /metrics` of a server with two processes, read as Prometheus reads it."""

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from shared.redis.counters import ABOVE, Counted, Counters, stage_seconds
from shared.redis.store import JobStore
from tests.conftest import wait_until
from tests.integration.conftest import Web, master_of, running_web, used
from tests.integration.stream_clients import Worker, raw_stream, read_until, streams
from tests.programs import program

ERRORS = 'klip_http_requests_total{endpoint="ops.errors",method="GET",status="200"}'


@pytest.fixture(scope="module")
def promtool() -> str:
    return program("promtool", "apt-get install prometheus")


@pytest.fixture(scope="module")
def two_processes(tmp_path_factory: pytest.TempPathFactory, valkey_url: str) -> Iterator[tuple[str, Path]]:
    data_dir = tmp_path_factory.mktemp("two")
    with running_web(data_dir, valkey_url, LOCAL_MEDIA_DIR=str(data_dir), WEB_CONCURRENCY="2") as url:
        yield url, data_dir


@pytest.fixture
def web(two_processes: tuple[str, Path], valkey_url: str) -> Iterator[Web]:
    url, data_dir = two_processes
    with used(url, valkey_url, data_dir) as found:
        yield found


def scrape(web: Web) -> dict[str, float]:
    """Every sample by name and labels, from whichever process takes a new connection."""
    text = httpx.get(f"{web.url}/metrics", timeout=30).text
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    found = {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}
    assert len(found) == len(lines), "a sample stands twice"
    return found


def test_counts_are_those_of_all_processes_whichever_answers(web: Web) -> None:
    before = scrape(web).get(ERRORS, 0)
    seen = []
    for number in range(1, 41):
        assert httpx.get(f"{web.url}/api/v1/errors", timeout=30).is_success
        seen.append(scrape(web)[ERRORS] - before - number)

    assert seen == [0] * 40
    # And both have answered some
    folder = next((web.files.root.parent / "run").glob("web-metrics-*"))
    assert len(list(folder.glob("counter_*.db"))) == 2


def test_what_both_read_from_redis_stands_once(web: Web) -> None:
    web.submit("file:a.mp4")

    told = [scrape(web) for _ in range(10)]

    assert {found['klip_jobs{status="queued"}'] for found in told} == {1}
    assert {found['klip_queue_waiting{queue="download"}'] for found in told} == {1}


def test_promtool_finds_nothing_to_say(promtool: str, web: Web) -> None:
    # Given a sample of every metric
    failed, done = web.submit("file:a.mp4"), web.submit("file:b.mp4")
    first = Worker(web, failed)
    first.claim()
    first.fail()
    Worker(web, done).complete()
    counters = Counters(web.store.redis)
    counters.stage_took("download", 12.5)
    for counted in set(Counted) - {Counted.JOBS_FINISHED, Counted.STAGE_SECONDS}:
        counters.add(counted, "download", by=2.5)
    web.store.count_retry("download", "NETWORK_TIMEOUT")
    text = httpx.get(f"{web.url}/metrics", timeout=30).text

    checked = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True, text=True, check=False)

    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")
    names = set(re.findall(r"^# TYPE (\S+)", text, re.MULTILINE))
    samples = set(re.findall(r"^(klip_[a-z_]+)", text, re.MULTILINE))
    without = {name for name in names if not any(sample.startswith(name) for sample in samples)}
    assert without <= {name for name in names if name.startswith("klip_breaker")}
    # And the document names each
    document = (Path(__file__).parents[2] / "docs" / "operators.md").read_text()
    assert [name for name in sorted(names) if f"`{name}`" not in document] == []


def test_streams_are_counted_over_the_processes_and_go_with_theirs(web: Web) -> None:
    job_id = web.submit()
    clients = [raw_stream(web, job_id) for _ in range(12)]
    try:
        for client in clients:
            read_until(client, b"event:progress")
        assert streams(web) == 12
        requests = scrape(web)[ERRORS]
        # When one of the processes is killed
        master = master_of(web)
        victim = master.children()[0]
        os.kill(victim.pid, signal.SIGKILL)
        wait_until(lambda: victim.pid not in {child.pid for child in master.children()}, seconds=30)
        wait_until(lambda: len(master.children()) == 2, seconds=60)

        # Then its streams are gone, and what it counted is not
        wait_until(lambda: streams(web) < 12, seconds=30)
        assert scrape(web)[ERRORS] == requests
    finally:
        for client in clients:
            client.close()


def test_what_was_counted_outlives_a_reload(web: Web) -> None:
    httpx.get(f"{web.url}/api/v1/errors", timeout=30)
    before = scrape(web)[ERRORS]
    master = master_of(web)
    old = {child.pid for child in master.children()}

    master.send_signal(signal.SIGHUP)
    wait_until(lambda: not old & {child.pid for child in master.children()}, seconds=60)

    assert scrape(web)[ERRORS] == before


def test_the_end_of_a_job_is_counted_once_by_how_it_ended(web: Web) -> None:
    failed, completed, cancelled = (web.submit(f"file:{name}.mp4") for name in "abc")
    worker = Worker(web, failed)
    worker.claim()
    worker.fail()
    Worker(web, completed).complete()
    web.http.delete(f"/api/v1/analysis/{cancelled}")
    web.http.delete(f"/api/v1/analysis/{cancelled}")

    told = {name: value for name, value in scrape(web).items() if name.startswith("klip_jobs_finished_total")}

    assert told == {
        'klip_jobs_finished_total{code="",status="cancelled"}': 1,
        'klip_jobs_finished_total{code="",status="completed"}': 1,
        'klip_jobs_finished_total{code="UNSUPPORTED_FORMAT",status="failed"}': 1,
    }


def test_a_histogram_counts_each_run_in_every_bucket_above_it(web: Web) -> None:
    counters = Counters(web.store.redis)
    for seconds in (0.5, 1.0, 7.0, 100_000.0):
        counters.stage_took("analyze", seconds)

    told = scrape(web)

    def below(bound: str) -> float:
        return told[f'klip_stage_seconds_bucket{{le="{bound}",stage="analyze"}}']

    assert [below(bound) for bound in ("1.0", "5.0", "10.0", "14400.0", "+Inf")] == [2, 2, 3, 3, 4]
    assert told['klip_stage_seconds_count{stage="analyze"}'] == 4
    assert told['klip_stage_seconds_sum{stage="analyze"}'] == 100_008.5


def test_what_another_version_counts_is_left_out(store: JobStore) -> None:
    store.redis.hset("klip:counters", mapping={"stage_seconds|chat|above": "1", "stage_seconds|chat|sum": "9e4"})
    store.redis.hset("klip:counters", "surprises|chat", "7")

    counts = Counters(store.redis).read()

    assert list(counts) == [Counted.STAGE_SECONDS]
    assert counts[Counted.STAGE_SECONDS] == {("chat", ABOVE): 1, ("chat", "sum"): 9e4}
    assert stage_seconds(counts)["chat"].counts[-1] == 1
