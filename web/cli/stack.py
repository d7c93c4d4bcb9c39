"""The whole stack on one machine: Valkey, web, one process group per pool, scheduler, all under supervisord."""

import contextlib
import fcntl
import os
import pwd
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, TextIO

import requests

from shared.redis.embedded import choose_address, free_port, server_is_running
from shared.settings import Settings, SettingsError
from shared.stages import DELIVERY_QUEUE, QUEUES

ROOT = Path(__file__).resolve().parent.parent.parent
STOP_S = 9.0  # Ctrl-C ends everything within 10 s
READY_S = 120.0  # a machine busy with other things needs long to load the libraries
POLL_S = 0.2
# Processes of a pool where one is not right. Speech and analysis use every core already; delivery has one for each kind
# of sweep that may wait for others (mirror, webhooks), and one that is always free for the reaper.
CHILDREN = {"download": 2, DELIVERY_QUEUE: 3}


class Program(NamedTuple):
    """One program of the stack and how it is started."""

    name: str
    command: str


def pools() -> list[Program]:
    """One worker per queue, and the scheduler."""
    celery = f"{sys.executable} -m celery -A workers.app"
    workers = [
        Program(
            f"worker-{queue}", f"{celery} worker -Q {queue} -c {CHILDREN.get(queue, 1)} -n {queue}@%%h --without-gossip"
        )
        for queue in QUEUES
    ]
    return [*workers, Program("scheduler", f"{celery} beat")]


def _section(program: Program, logs: Path) -> str:
    return f"""
[program:{program.name}]
command={program.command}
directory={ROOT}
autorestart=true
startsecs=1
startretries=1000000
stopwaitsecs=5
killasgroup=true
stdout_logfile={logs / program.name}.log
stdout_logfile_maxbytes=10MB
stdout_logfile_backups=2
redirect_stderr=true
"""


class Stack:
    """Everything `make up` starts. Use as a context: leaving it stops every process.

    variables: for the processes, on top of this one's environment.  quiet: supervisord's own lines go to its log
    instead of the terminal.  Raises SettingsError when it can't start.
    """

    def __init__(self, config: Settings, *, variables: Mapping[str, str] | None = None, quiet: bool = False) -> None:
        self._config = config
        self._variables = variables or {}
        self._quiet = quiet
        self._run = config.data_dir / "run"
        self._logs = config.data_dir / "logs"
        self._lock: TextIO | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self.url = ""

    def __enter__(self) -> "Stack":
        for folder in (self._run, self._logs):
            folder.mkdir(parents=True, exist_ok=True)
        self._take_lock()
        port = _usable_port(self._config)
        self.url = f"http://{self._config.host}:{port}"
        environment = self._environment(port)
        self._write_config(embedded=not self._config.redis_url)
        # Not to a file: on a full disk supervisord ends when it can write neither its log nor its complaint about that.
        output = subprocess.DEVNULL if self._quiet else None
        command = [sys.executable, "-m", "supervisor.supervisord", "-n", "-c", str(self._run / "supervisord.conf")]
        # A session of its own: Ctrl-C reaches us, and we stop it in order.
        self._process = subprocess.Popen(
            command, env=environment, cwd=ROOT, stdout=output, stderr=output, start_new_session=True
        )
        (self._run / "url").write_text(self.url)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        (self._run / "url").unlink(missing_ok=True)
        if self._process is not None:
            _stop(self._process)
        if self._lock is not None:
            self._lock.close()

    def wait_until_ready(self) -> None:
        """Raises SettingsError with what is missing when the stack does not come up."""
        deadline = time.monotonic() + READY_S
        reason = "the web server does not answer"
        while time.monotonic() < deadline and self.is_running():
            with contextlib.suppress(requests.RequestException):
                answer = requests.get(f"{self.url}/ready", timeout=5)
                if answer.ok:
                    return
                reason = answer.text
            time.sleep(POLL_S)
        raise SettingsError(f"the stack did not become ready ({reason}); see {self._logs}")

    @property
    def pid(self) -> int:
        """Of supervisord, the parent of all."""
        if self._process is None:
            raise SettingsError("the stack was not started")
        return self._process.pid

    def is_running(self) -> bool:
        """Whether the process has been started and has not ended."""
        return self._process is not None and self._process.poll() is None

    def wait(self) -> None:
        """Until the process ends."""
        if self._process is not None:
            self._process.wait()

    def _take_lock(self) -> None:
        self._lock = (self._run / "lock").open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SettingsError(
                f"a stack is running in {self._config.data_dir} already: stop it, or set another DATA_DIR"
            ) from None
        if server_is_running(self._config):
            raise SettingsError(
                f"processes of an earlier stack still run: kill -TERM $(cat {self._run / 'supervisord.pid'})"
            )

    def _environment(self, port: int) -> dict[str, str]:
        config = self._config
        return {
            "LOCAL_MEDIA_DIR": str(ROOT / "samples"),
            "PUBLIC_URL": self.url,
            **os.environ,
            **self._variables,
            "PORT": str(port),
            "DATA_DIR": str(config.data_dir),
            "REDIS_URL": config.redis_url or choose_address(config),
            "REDIS_URL_FILE": "",  # has been read
            "PYTHONUNBUFFERED": "1",
            # One heap for all threads: a download holds 10 MB less, and the interpreter's lock leaves nothing to share.
            "MALLOC_ARENA_MAX": "1",
            "PYTHONPATH": str(ROOT),
        }

    def _write_config(self, *, embedded: bool) -> None:
        """Two groups: on a stop the workers go first, while Valkey still takes back what they give."""
        gunicorn = f"{sys.executable} -m gunicorn -c {ROOT / 'web' / 'gunicorn.conf.py'} web:app"
        programs = [Program("web", gunicorn), *pools()]
        text = f"""[supervisord]
user={pwd.getpwuid(os.getuid()).pw_name}
logfile={self._logs / "supervisord.log"}
logfile_maxbytes=10MB
logfile_backups=2
pidfile={self._run / "supervisord.pid"}
childlogdir={self._logs}
loglevel=info

[group:klipstream]
programs={",".join(program.name for program in programs)}
priority=20
"""
        text += "".join(_section(program, self._logs) for program in programs)
        if embedded:
            text += "\n[group:database]\nprograms=valkey\npriority=10\n"
            text += _section(Program("valkey", f"{sys.executable} -m shared.redis.embedded"), self._logs)
        (self._run / "supervisord.conf").write_text(text)


def _usable_port(config: Settings) -> int:
    """`PORT`; a free one for 0, or when nobody asked for 3000 and it is taken. Raises SettingsError."""
    if config.port == 0:
        return free_port()
    try:
        with socket.create_server((config.host, config.port)):
            return config.port
    except OSError:
        if "PORT" not in os.environ:
            return free_port()
        raise SettingsError(f"PORT {config.port} is taken: stop what uses it, or set PORT=0 for a free one") from None


def _stop(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@contextmanager
def stopped_by_signals() -> Iterator[None]:
    """Inside, INT, TERM and HUP end the program once, so that contexts are left.

    INT too where a script started it in its background, which has it ignored. A second signal changes nothing: what is
    being stopped must not be left half stopped.
    """

    def interrupt(_number: int, _frame: object) -> None:
        for number in before:
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    for number in before:
        signal.signal(number, interrupt)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
