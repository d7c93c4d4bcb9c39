"""Every service's command of docker-compose.yml, run as a process: the same commands make the same stack."""

import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from shared.redis.embedded import free_port
from shared.stages import QUEUES, STAGES
from tests.acceptance.conftest import SAMPLES, Api
from tests.conftest import ROOT, running_valkey, wait_until

AUTH = ("operator", "sesame")


def commands() -> dict[str, list[str]]:
    """The command of each service that is ours, by name."""
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    return {name: shlex.split(service["command"]) for name, service in services.items() if name != "redis"}


@contextmanager
def running(command: list[str], environment: dict[str, str], log: Path) -> Iterator[None]:
    binary = str(Path(sys.executable).parent / command[0])
    with log.open("wb") as output:
        process = subprocess.Popen([binary, *command[1:]], env=environment, cwd=ROOT, stdout=output, stderr=output)
    try:
        yield
        assert process.poll() is None, log.read_text()
    finally:
        process.terminate()
        process.wait(20)


@pytest.fixture(scope="module")
def addresses(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The whole of docker-compose.yml as processes; where web and Flower listen."""
    folder = tmp_path_factory.mktemp("compose")
    web_port, flower_port = free_port(), free_port()
    with running_valkey(folder) as url, ExitStack() as stack:
        environment = os.environ | {
            "DATA_DIR": str(folder),
            "REDIS_URL": url,
            "PORT": str(web_port),
            "LOCAL_MEDIA_DIR": str(SAMPLES),
            "FLOWER_BASIC_AUTH": ":".join(AUTH),
        }
        for name, command in commands().items():
            local = [word.replace("0.0.0.0", "127.0.0.1").replace("5555", str(flower_port)) for word in command]
            stack.enter_context(running(local, environment, folder / f"{name}.log"))
        yield {"web": f"http://127.0.0.1:{web_port}", "flower": f"http://127.0.0.1:{flower_port}"}


def is_ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/ready", timeout=5).status_code == 200
    except httpx.TransportError:
        return False


def flower(addresses: dict[str, str], path: str) -> Any:
    return httpx.get(addresses["flower"] + path, auth=AUTH, timeout=10).raise_for_status().json()


def test_the_services_together_are_ready_and_do_a_job(addresses: dict[str, str]) -> None:
    wait_until(lambda: is_ready(addresses["web"]), seconds=40, every=0.5)

    with Api(addresses["web"]) as api:
        job = api.wait(api.submit("file:demo_chat.json")["job_id"], seconds=30)

    assert job["error"]["code"] == "UNSUPPORTED_FORMAT"


def test_flower_lists_our_workers_queues_and_tasks_by_name(addresses: dict[str, str]) -> None:
    wait_until(lambda: len(flower(addresses, "/api/workers?refresh=1")) == len(QUEUES), seconds=40, every=1)

    workers = flower(addresses, "/api/workers?refresh=1")
    queues = {queue["name"] for worker in workers.values() for queue in worker["active_queues"]}
    registered = {task for worker in workers.values() for task in worker["registered"]}
    assert {name.partition("@")[0] for name in workers} == set(QUEUES)
    assert queues == set(QUEUES)
    assert {stage.task for stage in STAGES} <= registered


def test_flowers_task_list_shows_job_and_stage(addresses: dict[str, str]) -> None:
    with Api(addresses["web"]) as api:
        job_id = api.submit("file:demo_chat.json", force=True)["job_id"]

    def listed() -> list[dict[str, Any]]:
        tasks = flower(addresses, "/api/tasks?limit=200").values()
        return [task for task in tasks if task["name"] == "tasks.download" and job_id in (task["args"] or "")]

    wait_until(lambda: bool(listed()), seconds=20, every=0.5)
    assert "'download'" in listed()[0]["args"]


def test_flower_is_closed_without_its_password(addresses: dict[str, str]) -> None:
    assert httpx.get(addresses["flower"] + "/api/workers", timeout=10).status_code == 401
