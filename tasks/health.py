"""The health checks of containers: whether this machine's worker takes work, whether the scheduler looks what is due.

`python -m tasks.health worker QUEUE` and `python -m tasks.health scheduler` exit with 0 or 1 and say why in one line.
A broker or Redis that is away is no fault of theirs: they come back by themselves, and a restart would end stages.
"""

import argparse
import socket
import sys

from kombu import Connection
from kombu.exceptions import OperationalError

from shared.errors import DatabaseError
from shared.jobs import seconds_since, utc_now
from shared.redis import keys
from shared.redis.connection import connect, redis_errors
from shared.settings import settings
from shared.stages import QUEUES
from workers.app import app

CONNECT_S = 5
ANSWER_S = 10
# Of leases and queues the scheduler looks at the clock every 2 s.
SCHEDULER_SILENT_S = 30.0


def worker_problem(queue: str, connection: Connection) -> str | None:
    """What is wrong with the worker named `QUEUE@HOSTNAME`, None when it takes work.

    One that reconnected to the broker without its consumers answers a ping, but names no queue (celery #10205).
    """
    name = f"{queue}@{socket.gethostname()}"
    inspect = app.control.inspect(destination=[name], timeout=ANSWER_S, connection=connection, limit=1)
    answers: dict[str, list[dict[str, object]]] | None = inspect.active_queues()
    if not answers or name not in answers:
        return f"{name} does not answer"
    if queue not in {each["name"] for each in answers[name]}:
        return f"{name} answers but does not consume {queue}"
    return None


def scheduler_problem() -> str | None:
    """What is wrong with the scheduler, None when it has looked at its clock lately. Raises DatabaseError."""
    with redis_errors():
        found = connect(settings(), retries=0).get(keys.REAPER_LAST)
    last = str(found) if found else None
    if last is None or seconds_since(last, utc_now()) > SCHEDULER_SILENT_S:
        return f"the scheduler has not looked what is due since {last or 'its start'}"
    return None


def main(arguments: list[str]) -> str | None:
    """The problem that was found, as `sys.exit` wants it."""
    parser = argparse.ArgumentParser(prog="python -m tasks.health", description=__doc__)
    kinds = parser.add_subparsers(dest="kind", required=True)
    kinds.add_parser("worker").add_argument("queue", choices=QUEUES)
    kinds.add_parser("scheduler")
    asked = parser.parse_args(arguments)
    try:
        if asked.kind == "scheduler":
            return scheduler_problem()
        with app.connection_for_write(connect_timeout=CONNECT_S) as connection:
            connection.ensure_connection(max_retries=1, timeout=CONNECT_S)
            return worker_problem(asked.queue, connection)
    except (OperationalError, DatabaseError) as error:
        print(f"not asked: {error}")  # noqa: T201 -- what a container's health log shows
        return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
