"""A stand-in for Deepgram: `POST /v1/listen` over HTTP, with each of its errors and traps as a switch.

`python -m tests.peers.deepgram --port 0 --port-file F`; set DEEPGRAM_BASE_URL to http://127.0.0.1:PORT and the key to
`good-key`. It decodes what it is sent and answers with one word for each second in which there is sound ("w12" where
the sound's own clock says 12), so that shifted times and missing bytes show. `GET /_requests` lists what came in
(query, bytes, sha256, seconds, status), `POST /_control` switches:

    {"faults": [{"times": 2, "skip": 0, "do": {"status": 503, "headers": {"Retry-After": "7"}}}]}
                                                      with "min_bytes": only for sound of so many bytes or more
    {"reset": true}                                   faults and list

What `do` can say: status (an error with Deepgram's own body; `body` replaces it), headers, slow_s (wait before the
answer), drop (hang up without an answer), truncate (send this share of the answer, then hang up), lie: "malformed"
(no JSON), "empty" (200 and {}), "no words" (text without words), "half" (only half the sound was heard), "other file"
(another sha256), "nothing" (as for an empty body: 200 without words), "silent" (nobody was heard), "late words" (beyond
the sound), "language" (400).
"""

import argparse
import hashlib
import io
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import av
import numpy as np

KEY = "good-key"
MOST_BYTES = 256 * 1024**2
RATE = 8000
QUIET = 0.005  # RMS of a whole second
LOUD_SHARE = 0.6  # of the loudest second: from here on there is a word in it
WORDS_A_SENTENCE = 5
REQUEST_ID = "3c9cbd7e-0000-4000-8000-000000000001"

# Source: developers.deepgram.com/docs/errors.
ERRORS = {
    400: ("Bad Request", "Bad Request: failed to process audio: corrupt or unsupported data"),
    401: ("INVALID_AUTH", "Invalid credentials."),
    402: ("ASR_PAYMENT_REQUIRED", "Project does not have enough credits for an ASR request."),
    403: ("INSUFFICIENT_PERMISSIONS", "Project does not have access to the requested model."),
    408: ("SLOW_UPLOAD", "Request timed out while waiting for the body."),
    413: ("PAYLOAD_TOO_LARGE", "Payload too large."),
    429: ("TOO_MANY_REQUESTS", "Too many requests. Please try again later"),
}
NO_SUCH_MODEL = ("Bad Request", "Bad Request: No such model/language/tier combination found.")


class World:
    """Everything the handlers share."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.reset()

    def reset(self) -> None:
        self.faults: list[dict[str, Any]] = []
        self.requests: list[dict[str, Any]] = []

    def next_fault(self, size: int) -> dict[str, Any]:
        """What the next request, of so many bytes, gets; {} for the right answer."""
        with self.lock:
            for fault in self.faults:
                if size < fault.get("min_bytes", 0):
                    continue
                if fault.get("skip", 0) > 0:
                    fault["skip"] -= 1
                elif fault.get("times", 1) > 0:
                    fault["times"] = fault.get("times", 1) - 1
                    return dict(fault["do"])
        return {}


def loud_seconds(body: bytes) -> tuple[float, list[int]]:
    """How long the sound is and in which of its seconds there is something to hear. Raises av.FFmpegError."""
    with av.open(io.BytesIO(body), "r", metadata_errors="ignore") as source:
        resampler = av.AudioResampler(format="flt", layout="mono", rate=RATE)
        blocks = [out.to_ndarray()[0] for frame in source.decode(audio=0) for out in resampler.resample(frame)]
    samples = np.concatenate(blocks)
    seconds = len(samples) // RATE
    levels = np.sqrt(np.square(samples[: seconds * RATE].reshape(seconds, RATE)).mean(axis=1))
    limit = max(QUIET, LOUD_SHARE * float(levels.max(initial=0.0)))
    return len(samples) / RATE, [int(second) for second in np.flatnonzero(levels > limit)]


def answer_to(body: bytes, query: dict[str, str], lie: str | None) -> dict[str, Any]:
    """The document for this sound, or one that lies about it."""
    duration, seconds = loud_seconds(body) if body else (0.0, [])
    if lie == "half":
        duration, seconds = duration / 2, [second for second in seconds if second < duration / 2]
    if lie == "silent":
        seconds = []
    if lie == "nothing":
        duration, seconds, body = 0.0, [], b""
    shift = 1000.0 if lie == "late words" else 0.0
    words = [_word(second, shift) for second in seconds]
    alternative = {
        "transcript": " ".join(word["punctuated_word"] for word in words),
        "confidence": 0.98 if words else 0.0,
        "words": [] if lie == "no words" else words,
    }
    if query.get("paragraphs") == "true":
        alternative["paragraphs"] = {"transcript": "", "paragraphs": _paragraphs(words)}
    channel: dict[str, Any] = {"alternatives": [alternative]}
    if query.get("detect_language") == "true":
        channel |= {"detected_language": "en", "language_confidence": 0.99}
    return {
        "metadata": {
            "transaction_key": "deprecated",
            "request_id": REQUEST_ID,
            "sha256": hashlib.sha256(body + (b"?" if lie == "other file" else b"")).hexdigest(),
            "created": "2026-11-01T12:00:00.000Z",
            "duration": duration,
            "channels": 1,
            "models": ["1"],
            "model_info": {"1": {"name": query.get("model", ""), "version": "1", "arch": "nova"}},
        },
        "results": {"channels": [channel], "utterances": []},
    }


def _word(second: int, shift: float) -> dict[str, Any]:
    start = second + 0.1 + shift
    ends = "." if (second + 1) % WORDS_A_SENTENCE == 0 else ""
    return {
        "word": f"w{second}",
        "punctuated_word": f"w{second}{ends}",
        "start": start,
        "end": start + 0.8,
        "confidence": 0.97,
    }


def _paragraphs(words: list[dict[str, Any]]) -> list[dict[str, Any]]:
    groups = [words[at : at + WORDS_A_SENTENCE] for at in range(0, len(words), WORDS_A_SENTENCE)]
    return [
        {
            "sentences": [{"text": " ".join(word["punctuated_word"] for word in group), **_span(group)}],
            "num_words": len(group),
            **_span(group),
        }
        for group in groups
    ]


def _span(words: list[dict[str, Any]]) -> dict[str, float]:
    return {"start": words[0]["start"], "end": words[-1]["end"]}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    world: World

    def log_message(self, *_arguments: object) -> None:
        """Quiet."""

    def do_GET(self) -> None:
        if self.path == "/_requests":
            self._json(200, self.world.requests)
        else:
            self._json(404, {"err_code": "Not Found", "err_msg": "Not Found"})

    def do_POST(self) -> None:
        address = urlsplit(self.path)
        if address.path == "/_control":
            self._control(json.loads(self._body()))
        elif address.path == "/v1/listen":
            self._listen(dict(parse_qsl(address.query)))
        else:
            self._json(404, {"err_code": "Not Found", "err_msg": "Not Found"})

    def _control(self, wanted: dict[str, Any]) -> None:
        with self.world.lock:
            if wanted.get("reset"):
                self.world.reset()
            self.world.faults += wanted.get("faults", [])
        self._json(200, {})

    def _listen(self, query: dict[str, str]) -> None:
        body = self._body()
        told = {
            "query": query,
            "bytes": len(body),
            "sha256": hashlib.sha256(body).hexdigest(),
            "content_type": self.headers.get("Content-Type"),
            "content_length": self.headers.get("Content-Length"),
        }
        do = self.world.next_fault(len(body))
        status, document = self._document(body, query, do)
        seconds = document["metadata"]["duration"] if "metadata" in document else None
        with self.world.lock:
            self.world.requests.append({**told, "status": status, "seconds": seconds})
        time.sleep(do.get("slow_s", 0))
        if do.get("drop"):
            self.close_connection = True
            return
        text = b"<html>oops" if do.get("lie") == "malformed" else json.dumps(document).encode()
        self._send(status, text, do.get("headers", {}), share=do.get("truncate", 1.0))

    def _document(self, body: bytes, query: dict[str, str], do: dict[str, Any]) -> tuple[int, Any]:
        if self.headers.get("Authorization") != f"Token {KEY}":
            return 401, _error(401)
        if "status" in do:
            return do["status"], do.get("body", _error(do["status"]))
        if do.get("lie") == "language":
            return 400, {"err_code": NO_SUCH_MODEL[0], "err_msg": NO_SUCH_MODEL[1], "request_id": REQUEST_ID}
        if do.get("lie") == "empty":
            return 200, {}
        try:
            return 200, answer_to(body, query, do.get("lie"))
        except av.FFmpegError:
            return 400, _error(400)

    def _body(self) -> bytes:
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            return b"".join(self._chunks())
        return self.rfile.read(min(int(self.headers.get("Content-Length", 0)), MOST_BYTES))

    def _chunks(self) -> Iterator[bytes]:
        while size := int(self.rfile.readline(32), 16):
            yield self.rfile.read(size)
            self.rfile.readline(4)
        self.rfile.readline(4)

    def _json(self, status: int, document: object) -> None:
        self._send(status, json.dumps(document).encode(), {})

    def _send(self, status: int, text: bytes, headers: dict[str, str], *, share: float = 1.0) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", "dg-request-id": REQUEST_ID, **headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text[: int(len(text) * share)])
        if share < 1:
            self.close_connection = True


def _error(status: int) -> dict[str, str]:
    code, message = ERRORS.get(status, ("INTERNAL_SERVER_ERROR", "An internal error occurred."))
    return {"err_code": code, "err_msg": message, "request_id": REQUEST_ID}


@contextmanager
def serving(port: int) -> Iterator[ThreadingHTTPServer]:
    """The server, answering in threads until the block ends."""
    handler = type("BoundHandler", (Handler,), {"world": World()})
    server = ThreadingHTTPServer(("127.0.0.1", port), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--port-file", type=Path)
    given = parser.parse_args()
    with serving(given.port) as server:
        port = server.server_address[1]
        if given.port_file:
            fresh = given.port_file.with_suffix(".new")
            fresh.write_text(str(port))
            fresh.replace(given.port_file)
        print(f"http://127.0.0.1:{port}", flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main()
