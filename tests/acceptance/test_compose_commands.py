"""Every service of docker-compose.yml that is ours, and Valkey, run as a process the way its container would.

The commands, the environment, the secrets' files and the health checks are those of `docker compose config`. Where the
tests are root's, the processes are the image's user and own nothing but their data: as in a container whose root is
read-only, a write elsewhere fails.
"""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from shared.redis.embedded import free_port, server_binary
from shared.stages import QUEUES, STAGES
from tests.acceptance.conftest import SAMPLES, Api
from tests.compose import Service, make_secrets, services
from tests.conftest import ROOT, wait_until

AUTH = ("operator", "sesame")
KEY = "a-key-of-this-test-only"
USER = 10001  # the Dockerfile's
# Reading is allowed everywhere, since this machine's Python may lie in root's home; writing is not.
# A test that a shell runs in its background would hand on that INT is ignored.
AS_USER = [
    "env",
    "--default-signal=INT",
    "setpriv",
    f"--reuid={USER}",
    f"--regid={USER}",
    "--clear-groups",
    "--inh-caps=-all,+dac_read_search",
]
AS_USER += ["--ambient-caps=-all,+dac_read_search", "--no-new-privs", "--"]
IS_ROOT = os.geteuid() == 0 and shutil.which("setpriv") is not None


@dataclass
class Containers:
    """The services as processes; `words` maps what stands in docker-compose.yml to what it is here."""

    folder: Path
    services: dict[str, Service]
    words: dict[str, str]
    processes: dict[str, "subprocess.Popen[bytes]"] = field(default_factory=dict)

    def here(self, name: str, text: str) -> str:
        """What the text of a service means on this machine. Flower and Valkey have a volume of their own."""
        data = self.folder / (name if name in {"flower", "redis"} else "data")
        meanings = self.words | {"/data": str(data)}
        return re.sub("|".join(meanings), lambda found: meanings[found[0]], text)

    def environment(self, name: str) -> dict[str, str]:
        path = os.pathsep.join([str(Path(sys.executable).parent), str(server_binary().parent), os.environ["PATH"]])
        image = {"PATH": path, "HOME": "/tmp", "MPLCONFIGDIR": "/tmp", "PYTHONDONTWRITEBYTECODE": "1"}
        # This machine's processor may need them.
        machine = {key: value for key, value in os.environ.items() if key.startswith("OPENBLAS_")}
        own = {key: self.here(name, value) for key, value in self.services[name]["environment"].items()}
        return image | machine | own

    def command(self, name: str, words: list[str]) -> list[str]:
        return [*(AS_USER if IS_ROOT else []), *(self.here(name, word) for word in words)]

    def start(self, name: str) -> None:
        command = self.services[name]["command"]
        assert command
        with self.log(name).open("ab") as output:
            self.processes[name] = subprocess.Popen(
                self.command(name, command), env=self.environment(name), cwd=ROOT, stdout=output, stderr=output
            )

    def check(self, name: str) -> "subprocess.CompletedProcess[str]":
        """Run the service's health check."""
        kind, *words = self.services[name]["healthcheck"]["test"]
        assert kind == "CMD"
        return subprocess.run(
            self.command(name, words),
            env=self.environment(name),
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def stop(self, name: str, number: signal.Signals, *, seconds: float) -> float:
        """Seconds until the process has ended. Fails the test when it does not in time."""
        began = time.monotonic()
        self.processes[name].send_signal(number)
        self.processes[name].wait(seconds)
        del self.processes[name]
        return time.monotonic() - began

    def log(self, name: str) -> Path:
        return self.folder / f"{name}.log"


@contextmanager
def owned_folder() -> Iterator[Path]:
    """A folder that the image's user can reach and own, which pytest's are not."""
    folder = Path(tempfile.mkdtemp(prefix="klipstream-compose-"))
    folder.chmod(0o755)
    for name in ("data", "flower", "redis"):
        (folder / name).mkdir()
        if IS_ROOT:
            os.chown(folder / name, USER, USER)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


@pytest.fixture(scope="module")
def containers() -> Iterator[Containers]:
    web, flower, redis = free_port(), free_port(), free_port()
    with owned_folder() as folder:
        make_secrets(
            folder / "secrets",
            REDIS_URL=f"redis://:a-password-of-this-test-only@127.0.0.1:{redis}/0",
            API_KEYS=f"operator:{KEY}",
            FLOWER_BASIC_AUTH=":".join(AUTH),
        )
        described = services(profiles=(), LOCAL_MEDIA_DIR=str(SAMPLES))
        words = {"/run/secrets": str(folder / "secrets"), "0.0.0.0": "127.0.0.1", "/media": str(SAMPLES)}
        words |= {"3000": str(web), "5555": str(flower), "6379": str(redis)}
        made = Containers(folder, described, words)
        try:
            for name in ("redis", *(name for name in described if name != "redis")):
                made.start(name)
                if name == "redis":
                    wait_until(lambda: _listens(redis), seconds=60)
            yield made
        finally:
            for name in sorted(made.processes, key="redis".__eq__):  # Valkey last: workers give back to it
                _end(made.processes[name])


def _end(process: "subprocess.Popen[bytes]") -> None:
    """Whatever a test left running ends, by force if need be."""
    process.terminate()
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture(scope="module")
def api(containers: Containers) -> Iterator[Api]:
    with Api(f"http://127.0.0.1:{containers.words['3000']}") as made:
        made.http.headers["Authorization"] = f"Bearer {KEY}"
        wait_until(lambda: is_ready(made), seconds=180, every=0.5)
        yield made


def is_ready(api: Api) -> bool:
    try:
        return api.http.get("/ready").status_code == 200
    except httpx.TransportError:
        return False


def flower(containers: Containers, path: str) -> Any:
    url = f"http://127.0.0.1:{containers.words['5555']}{path}"
    return httpx.get(url, auth=AUTH, timeout=30).raise_for_status().json()


def test_the_services_together_do_a_job_and_write_nowhere_but_to_their_data(containers: Containers, api: Api) -> None:
    asked = {"transcriber": "none", "clips": False, "highlights": 2}
    job = api.wait(api.submit("file:demo.mp4", options=asked)["job_id"], seconds=300)

    assert job["status"] == "completed", job["error"]
    assert list((containers.folder / "data/artifacts").rglob("highlights.json"))
    for name in containers.services:
        assert "Read-only" not in containers.log(name).read_text()
        assert "Permission denied" not in containers.log(name).read_text()


@pytest.mark.skipif(not IS_ROOT, reason="only root can become the image's user")
def test_every_process_is_the_images_user(containers: Containers, api: Api) -> None:
    for name, process in containers.processes.items():
        status = Path(f"/proc/{process.pid}/status").read_text()
        assert f"Uid:\t{USER}\t{USER}\t{USER}\t{USER}" in status, name


def test_the_api_is_closed_without_the_key_of_the_file(api: Api) -> None:
    assert httpx.get(f"{api.url}/api/v1/jobs", timeout=30).status_code == 401


def test_every_health_check_of_ours_finds_its_service_well(containers: Containers, api: Api) -> None:
    for name in containers.services:
        if name != "redis":  # whose check needs valkey-cli

            def is_well(name: str = name) -> bool:
                return containers.check(name).returncode == 0

            wait_until(is_well, seconds=180, every=1)


def test_flower_lists_our_workers_queues_and_tasks_by_name(containers: Containers, api: Api) -> None:
    wait_until(lambda: len(flower(containers, "/api/workers?refresh=1")) == len(QUEUES), seconds=60, every=1)

    workers = flower(containers, "/api/workers?refresh=1")
    queues = {queue["name"] for worker in workers.values() for queue in worker["active_queues"]}
    registered = {task for worker in workers.values() for task in worker["registered"]}
    assert {name.partition("@")[0] for name in workers} == set(QUEUES)
    assert queues == set(QUEUES)
    assert {stage.task for stage in STAGES} <= registered


def test_flowers_task_list_shows_job_and_stage(containers: Containers, api: Api) -> None:
    job_id = api.submit("file:demo.mp4", force=True)["job_id"]

    def listed() -> list[dict[str, Any]]:
        tasks = flower(containers, "/api/tasks?limit=200").values()
        return [task for task in tasks if task["name"] == "tasks.download" and job_id in (task["args"] or "")]

    wait_until(lambda: bool(listed()), seconds=60, every=0.5)
    assert "'download'" in listed()[0]["args"]


def test_flower_is_closed_without_its_password(containers: Containers, api: Api) -> None:
    url = f"http://127.0.0.1:{containers.words['5555']}/api/workers"
    assert httpx.get(url, timeout=30).status_code == 401


def test_each_service_ends_on_term_and_int_before_its_grace_is_over(containers: Containers, api: Api) -> None:
    ours = [name for name in containers.services if name != "redis"]
    for number in (signal.SIGTERM, signal.SIGINT):
        for name in ours:
            grace = float(containers.services[name]["stop_grace_period"].removesuffix("s"))
            took = containers.stop(name, number, seconds=4 * grace)  # this machine is busy with other things
            print(f"{name} took {took:.1f} s to end on {number.name}")
        if number is signal.SIGTERM:
            for name in ours:
                containers.start(name)
            wait_until(lambda: is_ready(api), seconds=180, every=0.5)
            wait_until(lambda: containers.check("flower").returncode == 0, seconds=120, every=1)
    containers.stop("redis", signal.SIGTERM, seconds=60)
    assert (containers.folder / "redis/appendonlydir").is_dir()


def test_valkey_does_not_start_without_a_password(tmp_path: Path) -> None:
    described = services(profiles=())["redis"]
    assert described["command"]
    (tmp_path / "redis_url").write_text("redis://redis:6379/0\n")

    ended = subprocess.run(
        described["command"],
        env={"PATH": os.environ["PATH"], "REDIS_URL_FILE": str(tmp_path / "redis_url")},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )

    assert (ended.returncode, ended.stderr.strip()) == (1, "redis_url holds no password")
