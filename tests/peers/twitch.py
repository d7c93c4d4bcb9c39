"""A stand-in for Twitch: GraphQL, usher and a CDN over HTTP, with each of their traps as a switch.

`python -m tests.peers.twitch --port 0 --port-file F`; point TWITCH_HOST_MAP of gql.twitch.tv, usher.ttvnw.net and
CDN_HOST at it. `GET /_stats` counts, `POST /_control` switches:

    {"vods": [{"id": "100", "seconds": 14400, ...}]}      see twitch_vods.Vod
    {"link": {"latency_ms": 80, "bytes_per_s": 40000000}} each request and each connection
    {"link": {..., "crowded_from": 8, "crowded_bytes_per_s": 5000000}} a connection's rate while so many are busy
    {"integrity": ["client id", ...]}                     whose cursor pages fail
    {"faults": [{"match": "segment:chunked/3.ts", "times": 2, "skip": 0, "do": {"status": 502}}]}
    {"plans": {"segment:audio_only/3.ts": [null, {"status": 503}]}}  what the next answers to keys that begin so do
                                                                     wrong, null nothing; instead of what was planned
    {"reset": true}                                       counters, faults and plans

A fault with a "vod" is for that VOD's requests only.
What `match` is found in: `gql:metadata`, `gql:token`, `comments:offset=12`, `comments:cursor=...`, `usher:ID`,
`playlist:RENDITION`, `segment:RENDITION/FILE`. What `do` can say: status, headers, body (JSON or text), merge (members
laid over the right answer's `data`), stall_s (send half, then wait), truncate (send this share, then hang up), told
(added to the Content-Length), drip (bytes a second), redirect.
"""

import argparse
import json
import math
import re
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.peers.twitch_vods import Rendition, Segments, Vod, master, media

CDN_HOST = "d1standin.cloudfront.net"
CDN = f"https://{CDN_HOST}"
COMMENTS_HASH = "b70a3591ff0f4e0313d126c6a1502d79a1c02baebb288227c582044aa76adf6a"
WEB_CLIENT = "kimne78kx3ncx6brgo4mv6wki5h1ko"
SEND_BYTES = 256 * 1024
DEFAULT_VODS = ({"id": "1000000001"},)


class World:
    """Everything the handlers share."""

    def __init__(self, cache_bytes: int) -> None:
        self.segments = Segments(cache_bytes)
        self.vods: dict[str, Vod] = {}
        self.lock = threading.Lock()
        self.reset()
        self.link: dict[str, float] = {}
        self.busy = 0  # connections that send a body
        self.integrity: list[str] = [WEB_CLIENT]
        self.tokens = 0
        self.token_uses: Counter[str] = Counter()
        for given in DEFAULT_VODS:
            self.add(given)

    def reset(self) -> None:
        self.faults: list[dict[str, Any]] = []
        self.plans: dict[str, list[dict[str, Any] | None]] = {}
        self.counts: Counter[str] = Counter()
        self.sent: Counter[str] = Counter()
        self.keys: Counter[str] = Counter()
        self.first_segment_at = 0.0

    def add(self, given: dict[str, Any]) -> None:
        vod = Vod.of(given)
        self.vods[vod.id] = vod

    def control(self, given: dict[str, Any]) -> None:
        with self.lock:
            if given.get("reset"):
                self.reset()
            for vod in given.get("vods", ()):
                self.add(vod)
            self.faults += [{"skip": 0, "times": 1_000_000, **fault} for fault in given.get("faults", ())]
            self.plans = given.get("plans", self.plans)
            self.link = given.get("link", self.link)
            self.integrity = given.get("integrity", self.integrity)

    @contextmanager
    def sending(self) -> Iterator[None]:
        """A connection that is busy with a body."""
        with self.lock:
            self.busy += 1
        try:
            yield
        finally:
            with self.lock:
                self.busy -= 1

    def rate(self) -> float | None:
        """What the link gives a connection now, in bytes/s; None: as much as it can take."""
        if self.busy >= self.link.get("crowded_from", math.inf):
            return self.link["crowded_bytes_per_s"]
        return self.link.get("bytes_per_s")

    def stats(self) -> dict[str, Any]:
        with self.lock:
            found = {"counts": dict(self.counts), "bytes": dict(self.sent), "keys": dict(self.keys)}
            return {**found, "first_segment_at": self.first_segment_at}

    def fault(self, key: str, vod: str = "") -> dict[str, Any]:
        """What to do wrong with this request."""
        with self.lock:
            planned = next((plan for begin, plan in self.plans.items() if key.startswith(begin) and plan), None)
            if planned is not None:
                return dict(planned.pop(0) or {})
            for fault in self.faults:
                if fault["match"] in key and fault.get("vod", vod) == vod and fault["times"] > 0:
                    if fault["skip"] > 0:
                        fault["skip"] -= 1
                        continue
                    fault["times"] -= 1
                    return dict(fault["do"])
        return {}

    def saw(self, kind: str, key: str) -> None:
        with self.lock:
            if kind == "segment" and not self.counts[kind]:
                self.first_segment_at = time.time()
            self.counts[kind] += 1
            self.counts["requests"] += 1
            self.keys[key] += 1

    def new_token(self) -> str:
        with self.lock:
            self.tokens += 1
            return f"t{self.tokens}"

    def token_good(self, vod: Vod, token: str, *, used: bool) -> bool:
        with self.lock:
            self.token_uses[token] += used
            return vod.token_requests is None or self.token_uses[token] <= vod.token_requests


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    world: World

    def setup(self) -> None:
        super().setup()
        with self.world.lock:
            self.world.counts["connections"] += 1

    def log_message(self, *_args: object) -> None:
        """Quiet."""

    def handle(self) -> None:
        try:
            super().handle()
        except OSError:
            self.close_connection = True  # the client went away

    def do_GET(self) -> None:
        path = urlsplit(self.path)
        if path.path == "/_stats":
            self.answer(json.dumps(self.world.stats()))
        elif match := re.fullmatch(r"/vod/(?:v2/)?(\d+)\.m3u8", path.path):
            self.usher(match[1], parse_qs(path.query))
        elif match := re.fullmatch(r"/(t\d+)/(\d+)/([\w-]+)/([\w.-]+)", path.path):
            self.cdn(*match.groups())
        else:
            self.world.saw("unknown", f"unknown:{path.path}")
            self.answer("not here", status=404)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path == "/_control":
            self.world.control(json.loads(body))
            self.answer("{}")
        elif self.path == "/gql":
            self.graphql(json.loads(body))
        else:
            self.answer("not here", status=404)

    # --- GraphQL

    def graphql(self, body: Any) -> None:
        client = self.headers.get("Client-ID")
        if not client:
            self.answer(json.dumps({"error": "Bad Request", "message": "The Client-ID header is missing"}), status=400)
            return
        calls = body if isinstance(body, list) else [body]
        answers = []
        for call in calls:
            kind, key, found = self.operation(call, client)
            self.world.saw(kind, key)
            fault = self.world.fault(key, vod_of(call))
            if "merge" in fault:
                found = {"data": fault["merge"]} if fault["merge"] is None else merged(found, {"data": fault["merge"]})
            elif fault:
                self.answer(json.dumps(found), fault=fault, rendition="gql")
                return
            answers.append(found)
        self.answer(json.dumps(answers if isinstance(body, list) else answers[0]), rendition="gql")

    def operation(self, call: dict[str, Any], client: str) -> tuple[str, str, dict[str, Any]]:
        variables = call.get("variables") or {}
        name = call.get("operationName")
        if match := re.search(r'video\(id:\s*"(\d+)"\)', call.get("query") or ""):
            return "metadata", "gql:metadata", {"data": {"video": self.metadata(match[1])}}
        if name == "VideoMetadata":
            return "metadata", "gql:metadata", {"data": {"video": self.metadata(variables["videoID"])}}
        if name == "PlaybackAccessToken":
            return "token", "gql:token", {"data": {"videoPlaybackAccessToken": self.token(variables["vodID"])}}
        if name == "VideoCommentsByOffsetOrCursor":
            if call["extensions"]["persistedQuery"]["sha256Hash"] != COMMENTS_HASH:
                return "unknown", "gql:unknown", {"errors": [{"message": "PersistedQueryNotFound"}]}
            return self.comments(variables, client)
        return "unknown", "gql:unknown", {"errors": [{"message": "PersistedQueryNotFound"}]}

    def metadata(self, video_id: str) -> dict[str, Any] | None:
        vod = self.world.vods.get(video_id)
        if vod is None or vod.access == "deleted":
            return None
        length = int(vod.seconds) if vod.length_seconds is None else vod.length_seconds
        return {
            "id": vod.id,
            "title": vod.title,
            "createdAt": vod.created_at,
            "lengthSeconds": length,
            "owner": {"id": "77", "displayName": vod.channel, "login": vod.channel.lower()},
            "viewCount": vod.views,
            "game": {"id": "9", "displayName": vod.game} if vod.game else None,
            "status": vod.status,
        }

    def token(self, video_id: str) -> dict[str, str] | None:
        vod = self.world.vods.get(video_id)
        if vod is None or vod.access in ("deleted", "private"):
            return None
        value = {"vod_id": video_id, "chansub": {"restricted_bitrates": []}, "t": self.world.new_token()}
        return {"value": json.dumps(value), "signature": "ab12", "__typename": "PlaybackAccessToken"}

    def comments(self, variables: dict[str, Any], client: str) -> tuple[str, str, dict[str, Any]]:
        cursor, offset = variables.get("cursor"), variables.get("contentOffsetSeconds")
        key = f"comments:cursor={cursor}" if cursor else f"comments:offset={offset}"
        vod = self.world.vods.get(variables["videoID"])
        if vod is None or vod.access == "deleted":
            return "comments", key, {"data": {"video": None}}
        video: dict[str, Any] = {"id": vod.id, "creator": {"id": "77", "channel": {"id": "77"}}, "comments": None}
        if cursor and client in self.world.integrity:
            return "comments", key, {"errors": [{"message": "failed integrity check"}], "data": {"video": video}}
        page = vod.chat_log.by_cursor(cursor) if cursor else vod.chat_log.by_offset(int(offset or 0), vod.page_before)
        if vod.chat_off or page is None:
            return "comments", key, {"data": {"video": video}}
        nodes, more = page
        last = nodes[-1]["id"] if nodes else ""
        video["comments"] = {
            "edges": [{"cursor": last, "node": node} for node in nodes],
            "pageInfo": {"hasNextPage": more, "hasPreviousPage": bool(nodes) and nodes[0] is not vod.chat_log.nodes[0]},
        }
        return "comments", key, {"data": {"video": video}}

    # --- usher and the CDN

    def usher(self, video_id: str, query: dict[str, list[str]]) -> None:
        vod = self.world.vods.get(video_id)
        key = f"usher:{video_id}"
        self.world.saw("usher", key)
        fault = self.world.fault(key, video_id)
        token = json.loads(query.get("nauth", ["{}"])[0]).get("t")
        if vod is None or vod.access in ("deleted", "unlisted"):
            self.answer(json.dumps([{"type": "error", "error": "Not found", "error_code": "not_found"}]), 404, fault)
        elif vod.access == "subscribers" or not token:
            restricted = {"type": "error", "error": "Manifest is restricted", "error_code": "vod_manifest_restricted"}
            self.answer(json.dumps([restricted]), 403, fault)
        else:
            supported = query.get("supported_codecs", ["h264"])[0].split(",")
            self.answer(master(vod, f"{CDN}/{token}/{video_id}", supported), fault=fault)

    def cdn(self, token: str, video_id: str, name: str, file: str) -> None:
        vod = self.world.vods.get(video_id)
        rendition = next((one for one in vod.renditions if one.name == name), None) if vod else None
        playlist = file == "index-dvr.m3u8"
        key = f"playlist:{name}" if playlist else f"segment:{name}/{file}"
        self.world.saw("playlist" if playlist else "segment", key)
        fault = self.world.fault(key, video_id)
        if vod is None or rendition is None:
            self.answer("not here", 404, fault)
        elif not self.world.token_good(vod, token, used=not playlist):
            self.answer("expired", 403, fault)
        elif playlist:
            self.answer(media(vod, rendition, f"{CDN}/{token}/{video_id}", self.world.segments), fault=fault)
        else:
            status, data = self.segment(vod, rendition, file)
            self.answer(data, status, fault, rendition=name, etag=f'"{video_id}-{name}-{file}"')

    def segment(self, vod: Vod, rendition: Rendition, file: str) -> tuple[int, bytes]:
        segments = self.world.segments
        if file == "init.mp4":
            return 200, segments.init(vod, rendition)
        match = re.fullmatch(r"(bundle-)?(\d+)(-muted)?\.(?:ts|mp4)", file)
        number = int(match[2]) if match else len(vod.lengths)
        if match is None or number >= len(vod.lengths) or (match[3] and number not in vod.muted):
            return 404, b"not here"
        if number in vod.missing:
            return vod.missing_status, b"not here"
        if number in vod.muted and not match[3]:
            return 403, b"muted"
        return 200, segments.bundle(vod, rendition, number) if match[1] else segments.get(vod, rendition, number)

    # --- answers

    def answer(
        self,
        body: str | bytes,
        status: int = 200,
        fault: dict[str, Any] | None = None,
        rendition: str = "other",
        etag: str | None = None,
    ) -> None:
        fault = fault or {}
        data = body.encode() if isinstance(body, str) else body
        headers: dict[str, str] = {"ETag": etag} if etag else {}
        if latency := self.world.link.get("latency_ms"):
            time.sleep(latency / 1000)
        status = fault.get("status", status)
        if "body" in fault:
            data = (fault["body"] if isinstance(fault["body"], str) else json.dumps(fault["body"])).encode()
        elif "status" in fault:
            data = b"broken"
        if "redirect" in fault:
            status, headers["Location"] = 302, fault["redirect"]
        elif status == 200 and (wanted := self.headers.get("Range")) and self.headers.get("If-Range", etag) == etag:
            status, data = self.ranged(wanted, data, headers)
        headers |= fault.get("headers", {})
        self.send_response(status)
        self.send_header("Content-Length", str(max(0, len(data) + fault.get("told", 0))))
        for header, value in headers.items():
            self.send_header(header, value)
        self.end_headers()
        self.send_body(data, fault, rendition)

    def ranged(self, wanted: str, data: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
        match = re.fullmatch(r"bytes=(\d+)-(\d*)", wanted)
        start = int(match[1]) if match else len(data)
        if start >= len(data):
            headers["Content-Range"] = f"bytes */{len(data)}"
            return 416, b""
        end = min(int(match[2]) + 1 if match and match[2] else len(data), len(data))
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{len(data)}"
        return 206, data[start:end]

    def send_paced(self, view: memoryview, drip: float | None, rendition: str) -> None:
        due, sent = time.monotonic(), 0
        while sent < len(view):
            rate = drip or self.world.rate()
            chunk = view[sent : sent + (max(1, min(SEND_BYTES, int(rate / 20))) if rate else len(view))]
            self.connection.sendall(chunk)
            sent += len(chunk)
            with self.world.lock:
                self.world.sent[rendition] += len(chunk)
            if rate:
                due += len(chunk) / rate
                if (ahead := due - time.monotonic()) > 0:
                    time.sleep(ahead)

    def send_body(self, data: bytes, fault: dict[str, Any], rendition: str) -> None:
        view = memoryview(data)
        if "truncate" in fault or "stall_s" in fault:
            view = view[: int(len(data) * fault.get("truncate", 0.5))]
            self.close_connection = True
        if fault.get("told"):
            self.close_connection = True
        with self.world.sending():
            self.send_paced(view, fault.get("drip"), rendition)
        if stall_s := fault.get("stall_s"):
            time.sleep(stall_s)


def vod_of(call: dict[str, Any]) -> str:
    """The VOD that a GraphQL call is about."""
    variables = call.get("variables") or {}
    match = re.search(r'video\(id:\s*"(\d+)"\)', call.get("query") or "")
    return match[1] if match else str(variables.get("videoID") or variables.get("vodID") or "")


def merged(base: Any, over: Any) -> Any:
    """`over` laid over `base`, member by member."""
    if isinstance(base, dict) and isinstance(over, dict):
        return base | {key: merged(base.get(key), value) for key, value in over.items()}
    return over


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


@contextmanager
def serving(port: int = 0, cache_bytes: int = 64 * 2**20) -> Iterator[_Server]:
    """The stand-in in this process, while the block runs."""
    handler = type("BoundHandler", (Handler,), {"world": World(cache_bytes)})
    with _Server(("127.0.0.1", port), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--port-file", type=Path)
    parser.add_argument("--cache-mb", type=int, default=64, help="segments kept in memory")
    given = parser.parse_args()
    with serving(given.port, given.cache_mb * 2**20) as server:
        port = server.server_address[1]
        if given.port_file:
            fresh = given.port_file.with_suffix(".new")
            fresh.write_text(str(port))
            fresh.replace(given.port_file)
        print(f"http://127.0.0.1:{port}", flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main()
