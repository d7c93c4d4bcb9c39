"""The bundled speech model on real speech."""

import re
from pathlib import Path

import jiwer
import pytest

from shared.errors import UnsupportedLanguage
from shared.progress import silent
from tests.recordings import SPANISH, SPEECH, SPEECH_TEXT, ffmpeg
from workers.transcription import whisper
from workers.transcription.chunks import plan
from workers.transcription.transcript import Transcript
from workers.transcription.whisper import WhisperTranscriber

THREADS = 2


def hear(audio: Path, work: Path, *, language: str = "en") -> Transcript:
    return WhisperTranscriber(None, threads=THREADS).transcribe(audio, language=language, work=work, progress=silent)


def plain(text: str) -> str:
    return " ".join(re.findall(r"[a-z0-9']+", text.lower()))


def test_speech_is_written_down_with_times(tmp_path: Path) -> None:
    told: list[float] = []

    transcript = WhisperTranscriber(None, threads=THREADS).transcribe(
        SPEECH, language="en", work=tmp_path, progress=told.append
    )

    assert jiwer.wer(plain(SPEECH_TEXT.read_text()), plain(transcript.text)) < 0.08
    assert (transcript.language, transcript.provider, transcript.model) == ("en", "whisper", "tiny.en")
    assert transcript.cost_estimate_usd == 0
    assert transcript.confidence is not None
    assert transcript.confidence > 0.8
    assert transcript.warnings == ()
    bridge = next(word for word in transcript.words if word.word.startswith("bridge"))
    assert bridge.start == pytest.approx(8.4, abs=0.6)
    assert told == sorted(told)
    assert told[-1] == 1.0


@pytest.fixture
def opening(tmp_path: Path) -> Path:
    """The first 14 s of the speech."""
    ffmpeg("-i", SPEECH, "-t", "14", "-c", "copy", tmp_path / "opening.m4a")
    return tmp_path / "opening.m4a"


def test_the_same_sound_gives_the_same_words(tmp_path: Path, opening: Path) -> None:
    assert hear(opening, tmp_path / "one") == hear(opening, tmp_path / "two")


@pytest.mark.parametrize("sound", ["anullsrc=r=48000", "anoisesrc=c=pink:a=0.3:seed=1", "sine=440"])
def test_sound_without_speech_gives_no_words_and_no_language(tmp_path: Path, sound: str) -> None:
    ffmpeg("-f", "lavfi", "-i", sound, "-t", "20", "-c:a", "aac", tmp_path / "a.m4a")

    transcript = hear(tmp_path / "a.m4a", tmp_path)

    assert (transcript.words, transcript.text, transcript.language) == ((), "", None)
    assert transcript.confidence is None
    assert transcript.warnings == ("No speech was found in the sound.",)


def test_pieces_are_joined_at_their_times_and_not_heard_twice(
    tmp_path: Path, opening: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given speech in chunks of at most 6 s, the first of them kept by an earlier try that stopped after it
    monkeypatch.setattr(whisper, "CHUNK_S", 6.0)
    work = tmp_path / "work"

    class Stopped(Exception):
        pass

    def stop_after_first(_done: float) -> None:
        if any(work.glob("piece-*.json")):
            raise Stopped

    transcriber = WhisperTranscriber(None, threads=THREADS)
    with pytest.raises(Stopped):
        transcriber.transcribe(opening, language="en", work=work, progress=stop_after_first)
    (first,) = work.glob("piece-*.json")
    written = first.stat().st_mtime_ns

    # When it is tried again
    transcript = hear(opening, work)

    # Then that chunk was used as it was, and the words are those of an undisturbed run
    assert first.stat().st_mtime_ns == written
    assert len(list(work.glob("piece-*.json"))) == len(plan(opening, chunk_s=6)) >= 3
    assert transcript == hear(opening, tmp_path / "undisturbed")
    bridge = next(word for word in transcript.words if word.word.startswith("bridge"))
    assert bridge.start == pytest.approx(8.4, abs=0.6)


@pytest.mark.parametrize("language", ["de", "zh", "klingon", "", "e"])
def test_a_language_the_model_does_not_know_is_refused_before_any_work(tmp_path: Path, language: str) -> None:
    transcriber = WhisperTranscriber(None, threads=THREADS)

    with pytest.raises(UnsupportedLanguage):
        transcriber.check(language)
    with pytest.raises(UnsupportedLanguage):
        transcriber.transcribe(tmp_path / "not there", language=language, work=tmp_path, progress=silent)


@pytest.mark.parametrize("language", ["en", "en-US", "EN", "auto"])
def test_english_and_auto_are_accepted(language: str) -> None:
    WhisperTranscriber(None, threads=THREADS).check(language)


def test_auto_with_an_english_model_writes_what_sounds_like_english(tmp_path: Path) -> None:
    transcript = hear(SPEECH, tmp_path, language="auto")

    assert transcript.language == "en"
    assert transcript.warnings == ()


@pytest.mark.parametrize("language", ["en", "auto"])
def test_another_language_than_english_gives_a_warning_and_no_invented_words(tmp_path: Path, language: str) -> None:
    transcript = hear(SPANISH, tmp_path, language=language)

    assert (transcript.words, transcript.text, transcript.language) == ((), "", None)
    assert transcript.confidence is None
    assert len(transcript.warnings) == 1
    assert "does not sound like English" in transcript.warnings[0]


def test_a_long_recording_in_another_language_is_recognised_before_all_of_it_is_heard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given Spanish in chunks of at most 20 s
    monkeypatch.setattr(whisper, "CHUNK_S", 20.0)
    # When it is transcribed
    transcript = hear(SPANISH, tmp_path)
    # Then it is told, and no chunk was heard
    assert "does not sound like English" in transcript.warnings[0]
    assert not list(tmp_path.glob("piece-*.json"))
