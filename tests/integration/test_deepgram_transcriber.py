"""The Deepgram client against a server that speaks Deepgram's protocol with its errors and traps."""

import hashlib
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import httpx
import pytest
from deepgram import DeepgramClient, DeepgramClientEnvironment

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
from shared.progress import silent
from shared.redis import keys
from shared.redis.breaker import Breakers
from shared.redis.store import JobStore
from tests.recordings import SPEECH, ffmpeg, tone
from workers.media.cutting import Span
from workers.transcription import deepgram, deepgram_api
from workers.transcription.chunks import plan
from workers.transcription.deepgram import PROBE_S, DeepgramTranscriber
from workers.transcription.transcript import Transcript

ROOT = Path(__file__).resolve().parents[2]
MakeTranscriber = Callable[..., DeepgramTranscriber]


class Peer:
    """The stand-in's address and switches."""

    def __init__(self, url: str) -> None:
        self.url = url

    def fault(self, *, times: int = 1, skip: int = 0, **do: Any) -> None:
        self._post({"faults": [{"times": times, "skip": skip, "do": do}]})

    def reset(self) -> None:
        self._post({"reset": True})

    def requests(self) -> list[dict[str, Any]]:
        with urlopen(f"{self.url}/_requests", timeout=10) as answer:
            found: list[dict[str, Any]] = json.load(answer)
            return found

    def _post(self, document: dict[str, Any]) -> None:
        urlopen(Request(f"{self.url}/_control", json.dumps(document).encode()), timeout=10).close()


@pytest.fixture(scope="module")
def running_peer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peer]:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.peers.deepgram"], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        yield Peer(process.stdout.readline().strip())
    finally:
        process.terminate()
        process.wait(10)
        process.stdout.close()


@pytest.fixture
def peer(running_peer: Peer) -> Peer:
    running_peer.reset()
    return running_peer


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A minute of tone, silent in the last two of every ten seconds."""
    path = tmp_path_factory.mktemp("sound") / "audio.m4a"
    ffmpeg(*tone(), "-t", "60", "-af", "volume=0:enable='gte(mod(t,10),8)'", "-c:a", "aac", "-b:a", "64k", path)
    return path


@pytest.fixture
def transcriber(peer: Peer) -> MakeTranscriber:
    def make(**more: Any) -> DeepgramTranscriber:
        given = {"api_key": "good-key", "base_url": peer.url, "model": "nova-3", **more}
        return DeepgramTranscriber(given.pop("api_key"), **given)

    return make


@pytest.fixture
def short_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunks of at most 20 s, so that a minute has several."""

    def in_chunks(audio: Path) -> tuple[Span, ...]:
        return plan(audio, chunk_s=20)

    monkeypatch.setattr(deepgram, "plan", in_chunks)


def hear(transcriber: DeepgramTranscriber, sound: Path, work: Path, *, language: str = "en") -> Transcript:
    return transcriber.transcribe(sound, language=language, work=work, progress=silent)


LOUD = [second for second in range(60) if second % 10 < 8]


def test_the_sound_goes_up_as_it_is_and_words_come_back(
    peer: Peer, transcriber: MakeTranscriber, sound: Path, tmp_path: Path
) -> None:
    transcript = hear(transcriber(), sound, tmp_path)

    (request,) = peer.requests()
    assert request["sha256"] == hashlib.sha256(sound.read_bytes()).hexdigest()
    assert request["content_type"] == "audio/mp4"
    assert request["content_length"] == str(sound.stat().st_size)
    assert request["query"] == {
        "model": "nova-3",
        "language": "en",
        "smart_format": "true",
        "paragraphs": "true",
        "utterances": "true",
    }
    assert [word.word.rstrip(".") for word in transcript.words] == [f"w{second}" for second in LOUD]
    assert transcript.words[8] == ("w10", 10.1, 10.9, 0.97)
    assert transcript.paragraphs[0].text == "w0 w1 w2 w3 w4."
    assert (transcript.provider, transcript.model, transcript.language) == ("deepgram", "nova-3", "en")
    assert transcript.confidence == 0.97
    assert transcript.cost_estimate_usd == pytest.approx(0.0043, abs=1e-5)


def test_auto_asks_deepgram_for_the_language(
    peer: Peer, transcriber: MakeTranscriber, sound: Path, tmp_path: Path
) -> None:
    assert hear(transcriber(), sound, tmp_path, language="auto").language == "en"
    assert peer.requests()[0]["query"]["detect_language"] == "true"
    assert "language" not in peer.requests()[0]["query"]


@pytest.mark.usefixtures("short_chunks")
def test_long_sound_goes_up_in_chunks_and_comes_back_at_its_times(
    peer: Peer, transcriber: MakeTranscriber, sound: Path, tmp_path: Path
) -> None:
    told: list[float] = []
    spent: list[float] = []

    transcript = transcriber(spend_hours=spent.append).transcribe(
        sound, language="en", work=tmp_path, progress=told.append
    )

    assert len(peer.requests()) == len(plan(sound, chunk_s=20)) >= 3
    assert len({request["sha256"] for request in peer.requests()}) == len(peer.requests())
    assert sum(request["seconds"] for request in peer.requests()) == pytest.approx(60, abs=1)
    # Every word is in a loud second of the whole, though the peer counted from each chunk's start.
    loud = [int(word.start + 0.5) % 10 for word in transcript.words]
    assert set(loud) <= set(range(9))
    assert len(transcript.words) == pytest.approx(len(LOUD), abs=4)
    assert transcript.words[-1].end == pytest.approx(58, abs=1.2)
    assert sum(spent) == pytest.approx(60 / 3600, abs=1e-3)
    assert told == sorted(told)
    assert told[-1] == pytest.approx(1.0)


@pytest.mark.usefixtures("short_chunks")
def test_a_failed_piece_is_the_only_one_sent_again(
    peer: Peer, transcriber: MakeTranscriber, sound: Path, tmp_path: Path
) -> None:
    # Given a second request that fails
    undisturbed = hear(transcriber(), sound, tmp_path / "undisturbed")
    chunks = len(peer.requests())
    peer.reset()
    peer.fault(skip=1, status=503)
    spent: list[float] = []
    again = transcriber(spend_hours=spent.append, chunks_at_once=chunks)
    with pytest.raises(TranscriptionServiceError):
        hear(again, sound, tmp_path / "work")

    # When it is tried again
    transcript = hear(again, sound, tmp_path / "work")

    # Then only that chunk went up twice, its hours were counted once, and the words are all there
    assert len(peer.requests()) == chunks + 1
    assert len({request["sha256"] for request in peer.requests()}) == chunks
    assert sum(spent) == pytest.approx(60 / 3600, abs=1e-3)
    assert transcript == undisturbed
    assert not list((tmp_path / "work").glob("*.m4a"))


def test_a_503_and_then_success_gives_the_whole_transcript(
    peer: Peer, transcriber: MakeTranscriber, sound: Path, tmp_path: Path
) -> None:
    # Given the SDK's own retry, which sends a used-up generator as an empty body
    peer.fault(status=503)
    environment = DeepgramClientEnvironment(base=peer.url, production="", agent="", agent_rest="")
    with sound.open("rb") as file, httpx.Client() as http:
        sdk = DeepgramClient(api_key="good-key", environment=environment, max_retries=2, httpx_client=http)
        sdk.listen.v1.media.transcribe_file(request=iter(lambda: file.read(65536), b""), model="nova-3")
    assert [request["bytes"] for request in peer.requests()] == [sound.stat().st_size, 0]

    # When a retry of ours goes through the same
    peer.reset()
    peer.fault(status=503)

    def twice(work: Callable[[], Any], /, *, probe: Callable[[], object] | None = None) -> Any:
        try:
            return work()
        except TranscriptionServiceError:
            return work()

    transcript = hear(transcriber(call=twice), sound, tmp_path)

    # Then the body went up whole both times
    assert [request["bytes"] for request in peer.requests()] == [sound.stat().st_size] * 2
    assert len(transcript.words) == len(LOUD)


def test_a_probe_of_the_breaker_sends_two_seconds_of_the_sound(
    store: JobStore, peer: Peer, transcriber: MakeTranscriber, sound: Path, tmp_path: Path
) -> None:
    store.redis.hset(keys.breaker("deepgram"), mapping={"state": "open", "opened_at": 0})

    transcript = hear(transcriber(call=Breakers(store.redis).of("deepgram", about="job1")), sound, tmp_path)

    probe, whole = peer.requests()
    assert probe["seconds"] == pytest.approx(PROBE_S, abs=0.1)
    assert whole["bytes"] == sound.stat().st_size
    assert len(transcript.words) == len(LOUD)
    assert store.redis.hgetall(keys.breaker("deepgram"))["state"] == "closed"
    assert not list((tmp_path / "work").glob("*.m4a"))


def test_a_probe_that_fails_leaves_the_sound_at_home(
    store: JobStore, peer: Peer, transcriber: MakeTranscriber, sound: Path, tmp_path: Path
) -> None:
    store.redis.hset(keys.breaker("deepgram"), mapping={"state": "open", "opened_at": 0})
    peer.fault(status=503)

    with pytest.raises(TranscriptionServiceError):
        hear(transcriber(call=Breakers(store.redis).of("deepgram", about="job1")), sound, tmp_path)

    (probe,) = peer.requests()
    assert probe["bytes"] < sound.stat().st_size / 2
    assert store.redis.hgetall(keys.breaker("deepgram"))["state"] == "open"


FAILURES: list[tuple[dict[str, Any], type[KlipError]]] = [
    ({"status": 400}, UnsupportedFormat),
    ({"lie": "language"}, UnsupportedLanguage),
    ({"status": 401}, TranscriptionKeyRefused),
    ({"status": 402}, TranscriptionKeyRefused),
    ({"status": 403}, TranscriptionKeyRefused),
    ({"status": 408}, NetworkTimeout),
    ({"status": 413}, VideoSizeExceeded),
    ({"status": 429}, RateLimitExceeded),
    ({"status": 500}, TranscriptionServiceError),
    ({"status": 503, "body": "not JSON"}, TranscriptionServiceError),
    ({"status": 504}, TranscriptionServiceError),
    ({"status": 302, "headers": {"Location": "http://127.0.0.1:9/"}}, TranscriptionServiceError),
    ({"drop": True}, ConnectionFailed),
    ({"truncate": 0.5}, ConnectionFailed),
    ({"lie": "malformed"}, TranscriptionServiceError),
    ({"lie": "empty"}, TranscriptionServiceError),
    ({"lie": "no words"}, TranscriptionServiceError),
    ({"lie": "half"}, TranscriptionServiceError),
    ({"lie": "other file"}, TranscriptionServiceError),
    ({"lie": "nothing"}, TranscriptionServiceError),
    ({"lie": "late words"}, TranscriptionServiceError),
]


@pytest.mark.parametrize(("do", "expected"), FAILURES, ids=[json.dumps(do) for do, _ in FAILURES])
def test_each_failure_is_its_typed_error_and_is_not_retried_here(
    peer: Peer,
    transcriber: MakeTranscriber,
    sound: Path,
    tmp_path: Path,
    do: dict[str, Any],
    expected: type[KlipError],
) -> None:
    peer.fault(**do)

    with pytest.raises(expected) as raised:
        hear(transcriber(), sound, tmp_path)

    assert type(raised.value) is expected
    assert "good-key" not in raised.value.detail
    assert len(peer.requests()) == 1


def test_a_wrong_key_is_told_as_refused(transcriber: MakeTranscriber, sound: Path, tmp_path: Path) -> None:
    with pytest.raises(TranscriptionKeyRefused):
        hear(transcriber(api_key="wrong"), sound, tmp_path)


@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_passed_on(
    peer: Peer, transcriber: MakeTranscriber, sound: Path, tmp_path: Path, status: int
) -> None:
    peer.fault(status=status, headers={"Retry-After": "7"})

    with pytest.raises(KlipError) as raised:
        hear(transcriber(), sound, tmp_path)

    assert raised.value.retry_after_s == 7


def test_a_server_that_does_not_answer_times_out(
    peer: Peer, transcriber: MakeTranscriber, sound: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deepgram_api, "SHORTEST_TIMEOUT_S", 0.2)
    monkeypatch.setattr(deepgram_api, "TIMEOUT_PER_SOUND_S", 0.0)
    peer.fault(slow_s=3)

    with pytest.raises(NetworkTimeout):
        hear(transcriber(), sound, tmp_path)


def test_servers_that_are_not_there_are_told_apart(transcriber: MakeTranscriber, sound: Path, tmp_path: Path) -> None:
    with pytest.raises(ConnectionFailed):
        hear(transcriber(base_url="http://127.0.0.1:9"), sound, tmp_path)
    with pytest.raises(DnsResolutionFailed):
        hear(transcriber(base_url="http://no-such-host.invalid"), sound, tmp_path)


def test_the_budget_is_asked_before_anything_is_sent(
    peer: Peer, transcriber: MakeTranscriber, sound: Path, tmp_path: Path
) -> None:
    def used_up(_hours: float) -> None:
        raise RateLimitExceeded("The hours of today are used up.")

    with pytest.raises(RateLimitExceeded):
        hear(transcriber(spend_hours=used_up), sound, tmp_path)
    assert peer.requests() == []


def test_sound_without_speech_is_an_empty_transcript_with_a_warning(
    transcriber: MakeTranscriber, tmp_path: Path
) -> None:
    ffmpeg("-f", "lavfi", "-i", "anullsrc=r=48000", "-t", "5", "-c:a", "aac", tmp_path / "silence.m4a")

    transcript = hear(transcriber(), tmp_path / "silence.m4a", tmp_path)

    assert (transcript.words, transcript.paragraphs, transcript.language) == ((), (), None)
    assert transcript.warnings == ("No speech was found in the sound.",)


def test_the_price_of_an_unknown_model_is_not_made_up(
    transcriber: MakeTranscriber, sound: Path, tmp_path: Path
) -> None:
    assert hear(transcriber(model="my-own"), sound, tmp_path).cost_estimate_usd is None


def test_a_cancelled_job_stops_waiting_at_once(
    peer: Peer, transcriber: MakeTranscriber, sound: Path, tmp_path: Path
) -> None:
    class Cancelled(Exception):
        pass

    def cancel(_done: float) -> None:
        raise Cancelled

    peer.fault(slow_s=20)
    began = time.monotonic()
    with pytest.raises(Cancelled):
        transcriber().transcribe(sound, language="en", work=tmp_path, progress=cancel)

    assert time.monotonic() - began < 15
    assert threading.current_thread() is threading.main_thread()


@pytest.mark.parametrize("language", ["", "english please", "e", "en_", "../en"])
def test_what_is_no_language_code_is_refused_before_any_work(transcriber: MakeTranscriber, language: str) -> None:
    with pytest.raises(UnsupportedLanguage):
        transcriber().check(language)


def test_silence_about_sound_with_a_voice_is_asked_about_once_more(
    peer: Peer, transcriber: MakeTranscriber, tmp_path: Path
) -> None:
    # Given an answer without words to half a minute of speech, and the next one as it should be
    peer.fault(lie="silent")
    # When it is transcribed
    transcript = hear(transcriber(), SPEECH, tmp_path)
    # Then the second answer counts
    assert len(peer.requests()) == 2
    assert transcript.words
    assert transcript.warnings == ()


def test_silence_about_a_voice_that_stays_is_told(peer: Peer, transcriber: MakeTranscriber, tmp_path: Path) -> None:
    peer.fault(lie="silent", times=5)

    transcript = hear(transcriber(), SPEECH, tmp_path)

    assert len(peer.requests()) == 2
    assert transcript.words == ()
    assert "nothing down, asked twice, for 30 s of sound in which somebody speaks" in transcript.warnings[0]


def test_silence_about_sound_without_a_voice_is_believed(
    peer: Peer, transcriber: MakeTranscriber, sound: Path, tmp_path: Path
) -> None:
    peer.fault(lie="silent", times=5)

    transcript = hear(transcriber(), sound, tmp_path)

    assert len(peer.requests()) == 1
    assert transcript.warnings == ("No speech was found in the sound.",)
