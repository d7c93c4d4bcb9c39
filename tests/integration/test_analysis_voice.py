"""The voice apart from other sound, and what sound and words say about a moment where there is no chat."""

import json
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest

from tests.unit.analysis_made import (
    RATE,
    SAMPLE,
    bang,
    ha_ha_ha,
    pitched,
    put,
    sample_talk,
    sine,
    write_transcript,
    write_wav,
)  # fmt: skip
from workers.analysis.clip_requests import asks_for_clip
from workers.analysis.scoring import fuse
from workers.analysis.selection import select
from workers.analysis.sound_signals import SoundGrid, Voice, sound_grid
from workers.analysis.timeline import Timeline
from workers.analysis.voice_activity import voice_model
from workers.analysis.word_signals import read_words, word_grid

LENGTH_S = 240
AT_S = 100
QUIET = 0.35  # how the talk is turned down, so that there is room for a shout


@cache
def measured(samples: bytes) -> SoundGrid:
    sound = np.frombuffer(samples, dtype=np.float32)
    with TemporaryDirectory() as folder:
        return sound_grid(write_wav(Path(folder, "a.wav"), sound), duration_s=len(sound) / RATE)


def grid(samples: np.ndarray) -> SoundGrid:
    return measured(samples.astype(np.float32).tobytes())


def voice_of(samples: np.ndarray) -> Voice:
    voice = grid(samples).voice
    assert voice is not None
    return voice


def without_chat(samples: np.ndarray) -> Timeline:
    return fuse(chat=None, sound=grid(samples), words=None, duration_s=len(samples) / RATE)


def calm() -> np.ndarray:
    return np.tile(sample_talk(), LENGTH_S // 30) * QUIET


def noise(level: float, seconds: int = LENGTH_S) -> np.ndarray:
    return np.random.default_rng(4).normal(0, level, seconds * RATE)


def music(beats_hz: float = 2.0) -> np.ndarray:
    """Chords that change every two seconds, struck on every beat."""
    t = np.arange(LENGTH_S * RATE) / RATE
    up = 1 + np.floor(t / 2) % 4 * 0.12
    chord = np.sum([np.sin(2 * np.pi * np.cumsum(hz * up) / RATE) for hz in (220.0, 277.0, 330.0)], axis=0)
    return np.asarray(0.1 * chord * (0.3 + np.exp(-3 * (t * beats_hz % 1))))


def drums(beats_hz: float = 5.0) -> np.ndarray:
    return noise(0.3) * np.exp(-6 * (np.arange(LENGTH_S * RATE) / RATE * beats_hz % 1))


def shout() -> np.ndarray:
    """Four seconds of the talk, five semitones higher and 10 dB louder."""
    return pitched(sample_talk()[20 * RATE : 25 * RATE], 5.0) * QUIET * 10 ** (10 / 20)


def shouted() -> np.ndarray:
    samples = calm()
    samples[AT_S * RATE : (AT_S + 4) * RATE] = 0.0
    return put(samples, shout(), AT_S)


def laughed() -> np.ndarray:
    samples = calm()
    samples[AT_S * RATE : (AT_S + 3) * RATE] = 0.0
    return put(samples, ha_ha_ha(np.random.default_rng(3)), AT_S)


def banged() -> np.ndarray:
    return put(calm(), bang(np.random.default_rng(5)), AT_S)


STEADY = {
    "low noise": lambda: noise(0.01),
    "loud noise": lambda: noise(0.2),
    "silence": lambda: np.zeros(LENGTH_S * RATE),
    "a tone": lambda: sine(LENGTH_S, level=0.3),
    "music": music,
    "music that pulses like laughter": lambda: music(4.8),
    "drums": drums,
    "talk": calm,
}


def test_talk_has_a_voice_and_music_drums_noise_and_bangs_have_none() -> None:
    assert float(np.mean(voice_of(calm()).share)) > 0.5
    bangs = noise(0.003)
    for at in range(20, LENGTH_S - 10, 30):
        bangs = put(bangs, bang(np.random.default_rng(at)), at)
    for other in (noise(0.2), music(), drums(), np.zeros(LENGTH_S * RATE), bangs):
        voice = voice_of(other)
        assert float(voice.share.mean()) < 0.05
        assert np.isnan(voice.loudness).mean() > 0.95


def test_a_bang_beside_the_voice_does_not_make_it_louder() -> None:
    # Given the same talk with an explosion at full level over it, and with a shout in it
    plain, bang_, loud = (voice_of(one()).loudness[AT_S : AT_S + 4] for one in (calm, banged, shouted))
    # Then the sound is much louder in both, the voice only in one
    assert grid(banged()).loudness[AT_S] > grid(calm()).loudness[AT_S] + 10
    assert np.nanmax(bang_) < np.nanmax(plain) + 3
    assert np.nanmax(loud) > np.nanmax(plain) + 6


def test_a_shout_is_higher_and_counts_as_one_and_a_bang_does_not() -> None:
    plain, loud = voice_of(calm()), voice_of(shouted())
    assert np.nanmedian(loud.pitch[AT_S : AT_S + 4]) > 1.2 * np.nanmedian(plain.pitch)
    assert np.nanmax(without_chat(shouted()).columns["shout"][AT_S : AT_S + 4]) > 0.8
    assert np.nanmean(without_chat(banged()).columns["shout"][AT_S : AT_S + 2]) < 0.3


def test_laughter_pulses_evenly_and_talk_does_not() -> None:
    assert voice_of(laughed()).laughter[AT_S : AT_S + 3].max() > 0.6
    assert float(np.quantile(voice_of(calm()).laughter, 0.98)) < 0.3
    assert voice_of(drums()).laughter.max() == 0


@pytest.mark.parametrize("moment", [shouted, laughed])
def test_without_chat_a_shout_and_a_laugh_come_first(moment: object) -> None:
    assert callable(moment)
    # When calm talk with one such passage is analysed without chat
    timeline = without_chat(moment())
    # Then it leads, near where it is, with more than any calm second, and what the score rests on is said
    assert abs(int(timeline.columns["score"].argmax()) - AT_S) <= 3
    assert timeline.columns["score"].max() > 0.3
    assert np.median(timeline.columns["score"]) < 0.1
    (first, *others) = select(timeline, None, count=5)
    assert first.start_s <= AT_S + 1 <= first.end_s
    assert all(other.score < first.score / 2 for other in others)
    assert any("no chat: the score rests on shouting" in line for line in timeline.warnings)


def test_without_chat_the_samples_moments_are_its_highlights() -> None:
    # Given the sample's sound alone, and the moments its script knows
    moments = json.loads((SAMPLE.parent / "demo_truth.json").read_text(encoding="utf-8"))["moments"]
    sound = sound_grid(SAMPLE, duration_s=190)
    # When as many highlights are chosen as there are moments
    found = select(fuse(chat=None, sound=sound, words=None, duration_s=190), None, count=len(moments))
    # Then each holds one, and none is called sure
    for moment in moments:
        assert sum(one.start_s <= moment["peak_seconds"] <= one.end_s for one in found) == 1
    assert all(one.score < 0.5 for one in found)


def test_a_sudden_bang_ranks_below_a_shout() -> None:
    quiet = put(noise(0.003), bang(np.random.default_rng(5)), AT_S)
    score = without_chat(quiet).columns["score"]
    assert abs(int(score.argmax()) - AT_S) <= 3
    assert np.median(score) < float(score.max()) < 0.3 < without_chat(shouted()).columns["score"].max()


@pytest.mark.parametrize("name", STEADY)
def test_what_is_steady_has_no_sure_moment_and_no_emotion(name: str) -> None:
    timeline = without_chat(STEADY[name]())
    assert float(timeline.columns["score"].max()) < 0.3
    assert all(one.emotion is None for one in select(timeline, None, count=5))


def test_the_two_halves_know_the_same_voice_every_time() -> None:
    first, second = (sound_grid_of(calm()[: 61 * RATE]) for _ in range(2))
    assert [one.tobytes() for one in first] == [one.tobytes() for one in second]
    assert not np.isnan(first.share).any()


def test_where_the_halves_meet_the_voice_goes_on() -> None:
    # Given talk whose halves meet at 30 s, and the same talk in a longer recording
    whole, longer = voice_of(calm()[: 60 * RATE]), voice_of(calm()[: 90 * RATE])
    # Then the seconds around are the same
    assert np.abs(whole.share[28:33] - longer.share[28:33]).max() < 0.3
    assert np.abs(whole.laughter[28:33] - longer.laughter[28:33]).max() < 0.1


def sound_grid_of(samples: np.ndarray) -> Voice:
    measured.cache_clear()
    return voice_of(samples)


def test_other_sample_rates_give_the_same_voice() -> None:
    # Given the same talk at 16 and at 48 kHz
    talk = calm()[: 60 * RATE].astype(np.float32)
    finer = np.interp(np.arange(3 * len(talk)) / 3, np.arange(len(talk)), talk).astype(np.float32)
    with TemporaryDirectory() as folder:
        other = sound_grid(write_wav(Path(folder, "a.wav"), finer, rate=3 * RATE), duration_s=60).voice
    # Then the same seconds have a voice
    assert other is not None
    here = voice_of(talk).share
    assert float(np.corrcoef(here, other.share)[0, 1]) > 0.9
    assert abs(float(here.mean() - other.share.mean())) < 0.05


@pytest.mark.parametrize("damage", [np.nan, np.inf, -np.inf, 1e30])
def test_damage_in_the_sound_stays_where_it_is(tmp_path: Path, damage: float) -> None:
    # Given talk in floats with a second that is no sound
    samples = calm()[: 60 * RATE]
    samples[10 * RATE : 11 * RATE] = damage
    grid_ = sound_grid(write_wav(tmp_path / "a.wav", samples, floats=True), duration_s=60)
    # Then the seconds after it are as they are without it
    plain = grid(calm()[: 60 * RATE])
    assert grid_.voice is not None
    assert plain.voice is not None
    assert np.abs(grid_.loudness[13:] - plain.loudness[13:]).max() < 0.5
    assert np.abs(grid_.voice.share[13:] - plain.voice.share[13:]).mean() < 0.1
    assert not np.isnan(grid_.voice.laughter).any()


def test_without_the_model_nothing_is_said_about_voices_and_that_is_told(tmp_path: Path) -> None:
    # Given a package without the model, and one that is not there
    assert voice_model("faster_whisper_that_is_not_there") is None
    assert voice_model("tests") is None
    # When the sound is fused without what it would have told
    sound = grid(shouted())._replace(voice=None)
    timeline = fuse(chat=None, sound=sound, words=None, duration_s=LENGTH_S)
    # Then its columns are not there, the rest is, and a warning says so
    assert not {"voice", "voice_loudness_lufs", "voice_pitch_hz", "laughter", "shout"} & set(timeline.columns)
    assert "loudness_lufs" in timeline.columns
    assert any("Voices could not be told" in line for line in timeline.warnings)
    assert abs(int(timeline.columns["score"].argmax()) - AT_S) <= 3
    assert all(one.emotion is None for one in select(timeline, None, count=5))


@pytest.mark.parametrize(
    ("said", "asks"),
    [
        ("clip that", True), ("oh my god somebody clip it", True), ("did someone clip", True), ("Chat, clip!", True),
        ("that's a clip", True), ("we have to clip this right now", True), ("alguien clip eso", True),
        ("クリップして", True), ("the clip that you sent me", False), ("this is clip farming", False),
        ("I saw a clip this morning", False), ("my clips are on the other channel", False), ("paper clip", False),
    ],
)  # fmt: skip
def test_a_request_for_a_clip_is_told_from_talk_about_clips(said: str, asks: bool) -> None:
    words = said.split()
    found = [asks_for_clip(words[max(0, at - 3) : at + 2], min(3, at)) for at in range(len(words))]
    assert any(found) == asks


def test_asking_for_a_clip_lifts_what_happened_before_it(tmp_path: Path) -> None:
    # Given five minutes of talk in which a clip is asked for once
    talk = [(float(at), "so the map looks good in this game") for at in range(0, 300, 6)]
    transcript = write_transcript(tmp_path / "t.json", sorted([*talk, (201.0, "okay someone clip that")]))
    words = word_grid(read_words(transcript), seconds=300)
    # When there is nothing but the words
    timeline = fuse(chat=None, sound=None, words=words, duration_s=300)
    # Then the seconds before lead, and nothing else is sure
    score = timeline.columns["score"]
    assert words.clip.sum() == 1
    assert 186 <= int(score.argmax()) <= 202
    assert score.max() > 0.3
    assert np.delete(score, np.arange(185, 204)).max() < 0.3
    assert any("the score rests on excited phrases and requests for a clip" in line for line in timeline.warnings)
