"""Deepgram out of reach, the model on this machine in its place: both the real ones, the service a stand-in."""

import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests

from shared.errors import TranscriptionKeyRefused, TranscriptionServiceError, UnsupportedLanguage, VideoSizeExceeded
from shared.progress import silent
from shared.redis import keys
from shared.redis.breaker import FAIL_MAX, Breakers
from shared.redis.store import JobStore
from tests.peers.deepgram import KEY
from tests.peers.processes import listening
from tests.recordings import SPEECH, ffmpeg
from workers.transcription.deepgram import DeepgramTranscriber
from workers.transcription.fallback import FallbackTranscriber
from workers.transcription.transcript import Transcript
from workers.transcription.whisper import WhisperTranscriber

Make = Callable[..., FallbackTranscriber]


@pytest.fixture(scope="module")
def deepgram() -> Iterator[str]:
    """The stand-in's address."""
    with tempfile.TemporaryDirectory() as folder:
        port_file = Path(folder) / "port"
        command: list[str | Path] = [sys.executable, "-m", "tests.peers.deepgram", "--port-file", port_file]
        with listening(command, port_file=port_file) as port:
            yield f"http://127.0.0.1:{port}"


@pytest.fixture
def opening(tmp_path: Path) -> Path:
    """The first 14 s of the speech."""
    ffmpeg("-i", SPEECH, "-t", "14", "-c", "copy", tmp_path / "opening.m4a")
    return tmp_path / "opening.m4a"


@pytest.fixture
def make(deepgram: str, store: JobStore) -> Make:
    def fallback(key: str = KEY, *, is_final: bool = False) -> FallbackTranscriber:
        call = Breakers(store.redis).of("deepgram", about="job1")
        first = DeepgramTranscriber(key, base_url=deepgram, model="nova-3", call=call)
        return FallbackTranscriber(first, WhisperTranscriber(None, threads=2), is_final=lambda _error: is_final)

    return fallback


def hear(transcriber: FallbackTranscriber, audio: Path, work: Path, *, language: str = "en") -> Transcript:
    return transcriber.transcribe(audio, language=language, work=work, progress=silent)


def test_while_deepgram_works_nothing_else_is_asked(make: Make, opening: Path, tmp_path: Path) -> None:
    transcript = hear(make(), opening, tmp_path / "work")

    assert (transcript.provider, transcript.warnings) == ("deepgram", ())


def test_a_refused_key_is_told_and_the_words_come_from_this_machine(make: Make, opening: Path, tmp_path: Path) -> None:
    transcript = hear(make("wrong-key"), opening, tmp_path / "work")

    assert transcript.provider == "whisper"
    assert len(transcript.words) > 10
    assert transcript.warnings[-1].endswith("The words were recognised on this server instead.")


def test_an_open_breaker_does_not_keep_the_job_waiting(
    make: Make, store: JobStore, opening: Path, tmp_path: Path
) -> None:
    def fail() -> None:
        raise TranscriptionServiceError

    for number in range(FAIL_MAX):
        with pytest.raises(TranscriptionServiceError):
            Breakers(store.redis).of("deepgram", about=f"failed{number}")(fail)
    assert store.redis.hget(keys.breaker("deepgram"), "state") == "open"

    assert hear(make(), opening, tmp_path / "work").provider == "whisper"


def test_a_service_that_has_had_all_its_tries_costs_no_job_its_words(
    make: Make, deepgram: str, opening: Path, tmp_path: Path
) -> None:
    always = {"faults": [{"times": 1000, "do": {"status": 500}}]}
    requests.post(f"{deepgram}/_control", json=always, timeout=10).raise_for_status()
    try:
        with pytest.raises(TranscriptionServiceError):
            hear(make(), opening, tmp_path / "work")
        transcript = hear(make(is_final=True), opening, tmp_path / "work")
    finally:
        requests.post(f"{deepgram}/_control", json={"reset": True}, timeout=10).raise_for_status()

    assert transcript.provider == "whisper"
    assert "recognised on this server" in transcript.warnings[-1]


def test_what_is_wrong_with_the_sound_is_told_and_not_tried_here(
    make: Make, deepgram: str, opening: Path, tmp_path: Path
) -> None:
    too_large = {"faults": [{"times": 1000, "do": {"status": 413}}]}
    requests.post(f"{deepgram}/_control", json=too_large, timeout=10).raise_for_status()
    try:
        with pytest.raises(VideoSizeExceeded):
            hear(make(is_final=True), opening, tmp_path / "work")
    finally:
        requests.post(f"{deepgram}/_control", json={"reset": True}, timeout=10).raise_for_status()


def test_a_language_that_only_the_service_knows_is_accepted(make: Make) -> None:
    with pytest.raises(UnsupportedLanguage):
        WhisperTranscriber(None, threads=2).check("de")

    make().check("de")


def test_what_went_wrong_first_is_told_where_this_machine_can_not_help(
    make: Make, opening: Path, tmp_path: Path
) -> None:
    # The bundled model knows English only.
    with pytest.raises(UnsupportedLanguage):
        WhisperTranscriber(None, threads=2).check("de")
    with pytest.raises(TranscriptionKeyRefused):
        hear(make("wrong-key"), opening, tmp_path / "work", language="de")
