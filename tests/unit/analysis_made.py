"""Small recordings made up for the analysis tests: chat with known moments, sound with known levels, pictures."""

import json
from functools import cache
from pathlib import Path
from typing import Literal

import av
import numpy as np

from workers.chatlog import Comment, write_comment

RATE = 16_000
SAMPLE = Path(__file__).parents[2] / "samples" / "demo.mp4"
VOWEL_AT = 160_800  # a vowel of even pitch in sample_talk()
LAUGHS = ("LUL", "KEKW", "hahaha", "lmaooo", "OMEGALUL", "😂", "lol")
WOWS = ("PogChamp", "WOW", "insane!!", "POGGERS", "holy that clutch", "LETS GOOOO", "🔥")
TALK = ("i had pasta today", "the map looks good in this game", "my cat sleeps all day", "that sword is from act two")


def comment(at: float, text: str, user: str | None = None, **more: object) -> Comment:
    name = user if user is not None else f"user{int(at * 1000) % 997}"
    return Comment(id=f"{at:.3f}-{text[:10]}", offset_seconds=at, user=name, text=text, **more)  # type: ignore[arg-type]


def talk(duration_s: int, *, every_s: float = 2.0) -> list[Comment]:
    """Ordinary talk, evenly spread."""
    times = np.arange(0.5, duration_s, every_s)
    return [comment(float(at), TALK[place % len(TALK)], f"viewer{place % 40}") for place, at in enumerate(times)]


def burst(at_s: float, texts: tuple[str, ...], *, count: int = 40, length_s: float = 10.0) -> list[Comment]:
    """`count` messages of different users from `at_s` on, thick at first."""
    places = at_s + length_s * (np.arange(count) / count) ** 1.5
    return [comment(float(at), texts[i % len(texts)], f"crowd{i}") for i, at in enumerate(places)]


def in_order(*parts: list[Comment]) -> list[Comment]:
    return sorted((one for part in parts for one in part), key=lambda one: one.offset_seconds)


def write_chat(path: Path, comments: list[Comment]) -> Path:
    with path.open("w", encoding="utf-8") as file:
        for one in comments:
            write_comment(file, one)
    return path


def write_transcript(path: Path, sentences: list[tuple[float, str]]) -> Path:
    """Each sentence from its second on, three words a second."""
    words = [
        {"word": word, "start": start + place / 3, "end": start + place / 3 + 0.25, "confidence": 0.9}
        for start, sentence in sentences
        for place, word in enumerate(sentence.split())
    ]
    path.write_text(json.dumps({"language": "en", "words": words, "paragraphs": []}), encoding="utf-8")
    return path


def sine(seconds: float, *, level: float, hz: float = 997.0, rate: int = RATE) -> np.ndarray:
    return (level * np.sin(2 * np.pi * hz * np.arange(int(seconds * rate)) / rate)).astype(np.float32)


@cache
def sample_talk() -> np.ndarray:
    """30 s of the sample's calm talk with its quiet music, mono at RATE."""
    with av.open(str(SAMPLE)) as container:
        resampler = av.AudioResampler(format="flt", layout="mono", rate=RATE)
        frames = (part for frame in container.decode(audio=0) for part in resampler.resample(frame))
        samples = np.concatenate([frame.to_ndarray()[0] for frame in frames])
    return np.asarray(samples[2 * RATE : 32 * RATE])


def pitched(samples: np.ndarray, semitones: float) -> np.ndarray:
    """`samples` higher and shorter, as a tape that runs faster."""
    places = np.arange(0, len(samples) - 1, 2 ** (semitones / 12))
    return np.asarray(np.interp(places, np.arange(len(samples)), samples), dtype=np.float32)


def bang(random: np.random.Generator, seconds: float = 2.0) -> np.ndarray:
    """An explosion at full level: dull noise that dies away."""
    noise = np.convolve(random.standard_normal(int(seconds * RATE)), np.ones(12) / 12, "same")
    noise *= np.exp(-2 * np.arange(len(noise)) / RATE)
    return np.asarray(noise / np.abs(noise).max(), dtype=np.float32)


def ha_ha_ha(random: np.random.Generator, *, seconds: float = 3.0, pulses_hz: float = 4.8) -> np.ndarray:
    """One vowel of the sample's voice again and again, higher, with breath between and a beat that is not exact."""
    voice = sample_talk()
    vowel = pitched(voice[VOWEL_AT : VOWEL_AT + 3 * RATE // 20], 5.0)[: RATE // 9]
    vowel = vowel / np.abs(vowel).max() * np.sqrt(np.hanning(len(vowel))) * 0.5
    made = (random.normal(0, 0.004, int(seconds * RATE))).astype(np.float32)
    at = 0.0
    while at < seconds - 0.25:
        begin = int(at * RATE)
        made[begin : begin + len(vowel)] += vowel * np.exp(-0.15 * at)
        at += (1 + random.normal(0, 0.05)) / pulses_hz
    return made


def put(into: np.ndarray, sound: np.ndarray, at_s: float) -> np.ndarray:
    """`into` with `sound` over it from at_s on."""
    made = into.copy()
    made[int(at_s * RATE) : int(at_s * RATE) + len(sound)] += sound
    return np.asarray(np.clip(made, -1.0, 1.0))


def write_wav(path: Path, samples: np.ndarray, *, rate: int = RATE, floats: bool = False) -> Path:
    """Mono, 16 bit or as 32 bit floats, which may hold anything."""
    codec: Literal["pcm_f32le", "pcm_s16le"] = "pcm_f32le" if floats else "pcm_s16le"
    kind = "flt" if floats else "s16"
    with av.open(str(path), "w", format="wav") as container:
        stream = container.add_stream(codec, rate=rate, layout="mono")
        for start in range(0, len(samples), rate):
            block = samples[start : start + rate]
            plain = block.astype(np.float32) if floats else (np.clip(block, -1, 1) * 32767).astype(np.int16)
            frame = av.AudioFrame.from_ndarray(plain[None, :], format=kind, layout="mono")
            frame.rate, frame.pts = rate, start
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def write_video(path: Path, *, seconds: int = 12, fps: int = 20, sound: bool = True) -> Path:
    """Grey pictures that brighten by 16 every second (64 x 36, key frames 5 s apart) and a tone."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=fps, options={"g": str(fps * 5), "sc_threshold": "0"})
        video.width, video.height, video.pix_fmt = 64, 36, "yuv420p"
        audio = container.add_stream("aac", rate=RATE, layout="mono") if sound else None
        for number in range(seconds * fps):
            picture = np.full((36, 64, 3), 16 * (number // fps), dtype=np.uint8)
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts = number
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        if audio is not None:
            tone = av.AudioFrame.from_ndarray(sine(seconds, level=0.2)[None, :], format="fltp", layout="mono")
            tone.rate, tone.pts = RATE, 0
            container.mux(audio.encode(tone))
            container.mux(audio.encode(None))
    return path
