"""What the event streams are measured beside: an asyncio server with one hub for all, and stock flask-sse.

Both get the same messages from the same Redis; neither knows of histories, keys or what differs between clients.
`uvicorn bench.stream_peers:shared_hub`, `gunicorn -k gevent bench.stream_peers:stock`, with REDIS_URL.
"""

import asyncio
import contextlib
import json
import os
from collections import defaultdict
from collections.abc import AsyncIterator

import redis.asyncio
from flask import Flask
from flask_sse import sse
from sse_starlette import EventSourceResponse
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import Route

from shared.redis.keys import CHANNEL, channel

QUEUE_SIZE = 256
_queues: defaultdict[str, set[asyncio.Queue[dict[str, str]]]] = defaultdict(set)


async def _listen() -> None:
    """Every event of every job, made text once and put into the queues of those who watch the job."""
    async with redis.asyncio.Redis.from_url(os.environ["REDIS_URL"], decode_responses=True) as client:
        pubsub = client.pubsub()
        await pubsub.psubscribe(f"{CHANNEL}*")
        async for message in pubsub.listen():
            if message["type"] == "pmessage":
                record = json.loads(message["data"])
                event = {"id": record["id"], "event": record["type"], "data": json.dumps(record["data"])}
                for queue in _queues[message["channel"]]:
                    queue.put_nowait(event)


async def _events(name: str) -> AsyncIterator[dict[str, str]]:
    queue: asyncio.Queue[dict[str, str]] = asyncio.Queue(QUEUE_SIZE)
    _queues[name].add(queue)
    try:
        yield {"event": "connected", "data": "{}"}
        while True:
            yield await queue.get()
    finally:
        _queues[name].discard(queue)


async def _stream(request: Request) -> EventSourceResponse:
    return EventSourceResponse(_events(channel(request.path_params["job_id"])))


@contextlib.asynccontextmanager
async def _lifespan(_: Starlette) -> AsyncIterator[None]:
    listening = asyncio.create_task(_listen())
    yield
    listening.cancel()


shared_hub = Starlette(routes=[Route("/stream/{job_id}", _stream)], lifespan=_lifespan)

stock = Flask("stock")
stock.config["REDIS_URL"] = os.environ.get("REDIS_URL")
stock.register_blueprint(sse, url_prefix="/stream")
