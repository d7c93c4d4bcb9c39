"""One request to Deepgram: a sound file goes up, words come back, or a typed error."""

import hashlib
import re
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import NamedTuple, NotRequired, TypedDict, cast

import httpx
from deepgram import DeepgramClient, DeepgramClientEnvironment
from deepgram.core.api_error import ApiError
from deepgram.core.parse_error import ParsingError
from deepgram.core.request_options import RequestOptions

from shared.errors import (
    ConnectionFailed,
    DnsResolutionFailed,
    KlipError,
    NetworkTimeout,
    RateLimitExceeded,
    TranscriptionKeyRefused,
    TranscriptionServiceError,
    UnsupportedFormat,
    UnsupportedLanguage,
    VideoSizeExceeded,
)
from shared.net.edges import asked_wait_s, classify
from workers.transcription.transcript import Paragraph, Word

with warnings.catch_warnings():
    # The SDK loads this at the first call, from whichever thread, and it uses deprecated names of websockets.
    warnings.simplefilter("ignore", DeprecationWarning)
    import_module("deepgram.listen.v1.client")

BASE_URL = "https://api.deepgram.com"
CHUNK_BYTES = 64 * 1024
SHORTEST_TIMEOUT_S = 60.0
TIMEOUT_PER_SOUND_S = 0.2  # Deepgram hears an hour in half a minute; slow uploads are watched chunk by chunk
LONGEST_TIMEOUT_S = 660.0  # Deepgram itself gives up after ten minutes
LENGTH_TOLERANCE_S = 2.0
LENGTH_TOLERANCE = 0.01
MOST_WORDS_A_SECOND = 30
AUTO = "auto"
_DETAILS: dict[type[KlipError], str] = {
    NetworkTimeout: "Deepgram took too long to answer.",
    DnsResolutionFailed: "Deepgram's host name could not be resolved.",
    ConnectionFailed: "Deepgram can't be reached, or the connection to it broke off.",
}


class Answer(NamedTuple):
    """What Deepgram heard in one file; times from the file's start. paragraphs: None when it sent none."""

    language: str | None
    words: list[Word]
    paragraphs: list[Paragraph] | None


class Stopped(Exception):
    """The upload was given up because the work was stopped."""


class FileBody:
    """A file as a request body that can be read again from its start; an exhausted generator would send nothing."""

    def __init__(self, path: Path, *, sent: Callable[[int], None], stop: threading.Event) -> None:
        self._path = path
        self._sent = sent
        self._stop = stop

    def __iter__(self) -> Iterator[bytes]:
        done = 0
        with self._path.open("rb") as file:
            while chunk := file.read(CHUNK_BYTES):
                if self._stop.is_set():
                    raise Stopped
                yield chunk
                done += len(chunk)
                self._sent(done)


class DeepgramApi:
    """Deepgram's `listen` call. base_url: None for Deepgram itself."""

    def __init__(self, api_key: str, *, base_url: str | None, model: str) -> None:
        base = (base_url or BASE_URL).rstrip("/")
        self._environment = DeepgramClientEnvironment(base=base, production=base, agent=base, agent_rest=base)
        self._api_key = api_key
        self._model = model

    def listen(
        self, path: Path, duration_s: float, *, language: str, sent: Callable[[int], None], stop: threading.Event
    ) -> Answer:
        """The words in the file at `path`.

        Raises TranscriptionKeyRefused, RateLimitExceeded, UnsupportedFormat, UnsupportedLanguage, VideoSizeExceeded,
        NetworkTimeout, ConnectionFailed, DnsResolutionFailed and TranscriptionServiceError, which is also what an
        answer becomes that does not belong to this file or is not whole.
        """
        options: RequestOptions = {
            "max_retries": 0,
            "timeout": _timeout_s(duration_s),
            "additional_headers": {"content-type": "audio/mp4", "content-length": str(path.stat().st_size)},
        }
        # The SDK never closes the connections of a client it made itself.
        with _converted_errors(), httpx.Client(follow_redirects=False) as connections:
            listen = partial(
                self._sdk(connections).listen.v1.media.transcribe_file,
                request=cast(Iterator[bytes], FileBody(path, sent=sent, stop=stop)),
                model=self._model,
                smart_format=True,
                paragraphs=True,
                utterances=True,
                request_options=options,
            )
            response = listen(detect_language=True) if language == AUTO else listen(language=language)
        return _checked(_plain(response), path, duration_s, language)

    def _sdk(self, connections: httpx.Client) -> DeepgramClient:
        # Its retry after a 503 sends what is left of the body, nothing, and reports success: it may never retry.
        return DeepgramClient(
            api_key=self._api_key, environment=self._environment, max_retries=0, httpx_client=connections
        )


def _timeout_s(duration_s: float) -> float:
    return min(SHORTEST_TIMEOUT_S + duration_s * TIMEOUT_PER_SOUND_S, LONGEST_TIMEOUT_S)


def _plain(response: object) -> "_Listened":
    """The answer as plain JSON values; the SDK does not check what it builds."""
    dump = getattr(response, "model_dump", None)
    plain = dump(mode="python", warnings=False) if dump is not None else response
    if not isinstance(plain, dict):
        raise TranscriptionServiceError("Deepgram's answer is not what its API promises.")
    return cast("_Listened", plain)


# --- errors -----------------------------------------------------------------------------------------------------------


@contextmanager
def _converted_errors() -> Iterator[None]:
    try:
        yield
    except (ApiError, ParsingError) as error:
        raise _error_of(error.status_code or 0, error.body, error.headers or {}) from error
    except httpx.HTTPError as error:
        kind = type(classify(error))
        raise kind(_DETAILS.get(kind)) from error


def _error_of(status: int, body: object, headers: dict[str, str]) -> KlipError:
    """The typed error for an answer's status; the text decides only between the kinds of 400."""
    wait_s = asked_wait_s(headers)
    if status in (401, 402, 403):
        return TranscriptionKeyRefused(f"Deepgram refuses the key or the account has no credit (status {status}).")
    if status == 408:
        return NetworkTimeout("Deepgram waited too long for the sound.", retry_after_s=wait_s)
    if status == 413:
        return VideoSizeExceeded("The sound is larger than Deepgram accepts.")
    if status == 429:
        return RateLimitExceeded("Deepgram has too many requests of this account.", retry_after_s=wait_s)
    if status == 400:
        return _bad_request(body)
    if 200 <= status < 300:
        return TranscriptionServiceError("Deepgram's answer is cut off or not JSON.")
    return TranscriptionServiceError(f"Deepgram answered with status {status}.", retry_after_s=wait_s)


def _bad_request(body: object) -> KlipError:
    message = str(body.get("err_msg") or body.get("details") or "") if isinstance(body, dict) else ""
    if "corrupt or unsupported" in message:
        return UnsupportedFormat("Deepgram can't read the sound.")
    if re.search(r"model/language|language", message):
        return UnsupportedLanguage("Deepgram's model does not know this language.")
    return TranscriptionServiceError("Deepgram does not accept the request.")


# --- answers ----------------------------------------------------------------------------------------------------------

# What is read of an answer, as Deepgram's API promises it. Nobody has checked it: a promise that is broken shows where
# the member is used, in `_checked`.


class _Metadata(TypedDict):
    sha256: str
    duration: float


class _Spoken(TypedDict):
    word: str
    punctuated_word: NotRequired[str]
    start: float
    end: float
    confidence: NotRequired[float]


class _Sentence(TypedDict):
    text: str


class _Sentences(TypedDict):
    sentences: list[_Sentence]
    start: float
    end: float


class _Paragraphs(TypedDict):
    paragraphs: list[_Sentences]


class _Alternative(TypedDict):
    transcript: str
    words: list[_Spoken]
    paragraphs: NotRequired[_Paragraphs]


class _Channel(TypedDict):
    alternatives: list[_Alternative]
    detected_language: NotRequired[str]


class _Results(TypedDict):
    channels: list[_Channel]


class _Listened(TypedDict):
    metadata: _Metadata
    results: _Results


def _checked(answer: _Listened, path: Path, duration_s: float, language: str) -> Answer:
    """The words of an answer that is whole and about this very file. Raises TranscriptionServiceError."""
    try:
        metadata, channel = answer["metadata"], answer["results"]["channels"][0]
        _check_file(metadata, path, duration_s)
        best = channel["alternatives"][0]
        words = [_word(word) for word in best["words"]]
        paragraphs = [_paragraph(one) for one in best["paragraphs"]["paragraphs"]] if best.get("paragraphs") else None
        if bool(best["transcript"].strip()) != bool(words):
            raise ValueError("text and words don't agree")
        detected = channel.get("detected_language") if language == AUTO else language
    except (KeyError, IndexError, TypeError, AttributeError, ValueError) as error:
        raise TranscriptionServiceError("Deepgram's answer is incomplete or about other sound.") from error
    longest_s = duration_s + _tolerance_s(duration_s)
    if len(words) > MOST_WORDS_A_SECOND * longest_s or any(not 0 <= word.start <= word.end for word in words):
        raise TranscriptionServiceError("The words in Deepgram's answer have impossible times.")
    if words and words[-1].end > longest_s:
        raise TranscriptionServiceError("The words in Deepgram's answer go beyond the sound.")
    return Answer(detected if isinstance(detected, str) and words else None, words, paragraphs)


def _check_file(metadata: _Metadata, path: Path, duration_s: float) -> None:
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    if metadata["sha256"] != sha256:
        raise ValueError("another file was heard")
    if abs(float(metadata["duration"]) - duration_s) > _tolerance_s(duration_s):
        raise ValueError("only a part was heard")


def _tolerance_s(duration_s: float) -> float:
    return max(LENGTH_TOLERANCE_S, duration_s * LENGTH_TOLERANCE)


def _word(word: _Spoken) -> Word:
    confidence = word.get("confidence")
    text: object = word.get("punctuated_word") or word["word"]
    if not isinstance(text, str):
        raise TypeError("a word has to be text")
    return Word(text, float(word["start"]), float(word["end"]), None if confidence is None else float(confidence))


def _paragraph(paragraph: _Sentences) -> Paragraph:
    text = " ".join(sentence["text"] for sentence in paragraph["sentences"])
    return Paragraph(float(paragraph["start"]), float(paragraph["end"]), text)
