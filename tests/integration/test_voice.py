"""Whether anybody speaks."""

from pathlib import Path

import pytest

from tests.recordings import SPANISH, SPEECH, ffmpeg
from workers.media.cutting import Span
from workers.media.speech_samples import RATE, read_samples
from workers.transcription import voice
from workers.transcription.voice import is_spoken, voice_in


@pytest.mark.parametrize("speech", [SPEECH, SPANISH], ids=["English", "Spanish"])
def test_speech_in_any_language_is_a_voice(speech: Path) -> None:
    assert is_spoken(speech, Span(0.0, 30.0))


@pytest.mark.parametrize("sound", ["anullsrc=r=48000", "anoisesrc=c=pink:a=0.3:seed=1", "sine=440"])
def test_silence_noise_and_tones_are_none(tmp_path: Path, sound: str) -> None:
    ffmpeg("-f", "lavfi", "-i", sound, "-t", "30", "-c:a", "aac", tmp_path / "a.m4a")

    assert not is_spoken(tmp_path / "a.m4a", Span(0.0, 30.0))


def test_a_voice_at_the_end_of_a_long_stretch_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Given a minute of silence and then speech, looked at in blocks of 20 s
    monkeypatch.setattr(voice, "BLOCK_S", 20.0)
    ffmpeg("-i", SPEECH, "-af", "adelay=60000:all=1", "-c:a", "aac", tmp_path / "a.m4a")

    assert is_spoken(tmp_path / "a.m4a", Span(0.0, 90.0))
    assert not is_spoken(tmp_path / "a.m4a", Span(0.0, 55.0))


def test_the_voice_is_what_is_left_without_the_silence(tmp_path: Path) -> None:
    ffmpeg("-t", "10", "-i", SPEECH, "-af", "adelay=10000:all=1,apad=whole_dur=40", "-c:a", "aac", tmp_path / "a.m4a")

    found = voice_in(read_samples(tmp_path / "a.m4a", 0.0, 40.0))

    assert 6 * RATE < len(found) < 12 * RATE
