"""The analyze stage: from chat, sound and words to the 1 s timeline, the segments and the summaries."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from shared.emotions import EMOTIONS
from shared.errors import UnsupportedFormat
from shared.files import SEGMENTS, TIMELINE, WAVEFORM
from shared.progress import Progress
from shared.records import Record
from workers.analysis.chat_signals import ChatGrid, chat_grid
from workers.analysis.scoring import fuse
from workers.analysis.segments import windows, write_segments
from workers.analysis.sound_signals import SoundGrid, sound_grid
from workers.analysis.stats import Floats
from workers.analysis.timeline import MAX_SECONDS, Timeline, write_timeline
from workers.analysis.word_signals import read_words, word_grid
from workers.chatlog import read_comments

_CHAT_SHARE, _SOUND_SHARE, _FUSED = 0.25, 0.6, 0.92  # of the progress


@dataclass(frozen=True, kw_only=True)
class Sentiment(Record):
    """-1 to 1; None where there is nothing to tell it from."""

    chat: float | None
    speech: float | None


@dataclass(frozen=True, kw_only=True)
class Emote(Record):
    """How often it was written."""

    name: str
    count: int


@dataclass(frozen=True, kw_only=True)
class ChatFigures(Record):
    """The chat of the whole recording."""

    messages: int
    chatters: int
    peak_per_minute: int
    top_emotes: tuple[Emote, ...]


@dataclass(frozen=True, kw_only=True)
class Summary(Record):
    """What the result document says about the whole recording; None where it was not measured.

    emotions: share of each among all reactions, 0-1.
    """

    emotions: dict[str, float] | None
    sentiment: Sentiment
    chat: ChatFigures | None
    chat_lag_seconds: int | None
    loudness_lufs: float | None
    words_per_second: float | None


class Analysis(NamedTuple):
    """files: names written.  warnings: sentences for the user."""

    files: tuple[str, ...]
    summary: Summary
    warnings: tuple[str, ...]


def analyze_recording(
    *,
    chat: Path | None,
    audio: Path,
    transcript: Path | None,
    duration_s: float,
    into: Path,
    progress: Progress,
    chat_gaps: Sequence[Sequence[float]] = (),
) -> Analysis:
    """Measure the recording and write timeline.json, waveform.json and segments.csv to `into`.

    chat_gaps: seconds [start, end) whose comments could not be had.
    Raises UnsupportedFormat when the sound can't be read or the recording's length makes no sense.
    """
    if not 0 < duration_s <= MAX_SECONDS:
        raise UnsupportedFormat("The recording has no usable length.")
    messages = _chat(chat, duration_s, progress)
    sound = sound_grid(
        audio, duration_s=duration_s, progress=lambda done: progress(_CHAT_SHARE + _SOUND_SHARE * min(1.0, done))
    )
    words = read_words(transcript) if transcript else None
    spoken = word_grid(words, seconds=int(np.ceil(duration_s))) if words and words.words else None
    measured = _CHAT_SHARE + _SOUND_SHARE
    progress(measured)
    timeline = fuse(
        chat=messages,
        sound=sound,
        words=spoken,
        duration_s=duration_s,
        progress=lambda done: progress(measured + (_FUSED - measured) * done),
    )
    timeline.chat_gaps = [list(gap) for gap in chat_gaps]
    progress(_FUSED)
    write_timeline(timeline, into / TIMELINE.name)
    _write_waveform(sound, into / WAVEFORM.name)
    write_segments(timeline, words, _window_chatters(messages, duration_s), into / SEGMENTS.name)
    progress(1.0)
    files = (TIMELINE.name, WAVEFORM.name, SEGMENTS.name)
    return Analysis(files, summarize(timeline, messages), tuple(timeline.warnings))


def _chat(chat: Path | None, duration_s: float, progress: Progress) -> ChatGrid | None:
    """None when there is no chat file or nobody wrote: an empty chat tells nothing."""
    if chat is None:
        return None
    grid = chat_grid(read_comments(chat), duration_s=duration_s, progress=lambda done: progress(_CHAT_SHARE * done))
    return grid if grid.messages.any() else None


def _write_waveform(sound: SoundGrid, into: Path) -> None:
    into.write_text(json.dumps((np.round(sound.waveform, 4) + 0.0).tolist()) + "\n", encoding="utf-8")


def _window_chatters(chat: ChatGrid | None, duration_s: float) -> Floats | None:
    if chat is None:
        return None
    order = np.argsort(chat.at, kind="stable")
    at, users = chat.at[order], chat.users[order]
    spans = [np.searchsorted(at, (int(start), int(np.ceil(end)))) for start, end in windows(duration_s)]
    return np.array([len(np.unique(users[first:last])) for first, last in spans], dtype=np.float64)


def summarize(timeline: Timeline, chat: ChatGrid | None) -> Summary:
    """What stands in the result document about the whole recording."""
    columns = timeline.columns
    sentiment = Sentiment(chat=_mean(columns.get("chat_sentiment")), speech=_mean(columns.get("speech_sentiment")))
    return Summary(
        emotions=_emotion_shares(columns),
        sentiment=sentiment,
        chat=_chat_figures(chat),
        chat_lag_seconds=timeline.chat_lag_s if timeline.chat_lag_measured else None,
        loudness_lufs=_mean(columns.get("loudness_lufs")),
        words_per_second=_mean(columns.get("speech_rate")),
    )


def _emotion_shares(columns: dict[str, Floats]) -> dict[str, float] | None:
    """Share of each emotion among all reactions, of chat if there is one, else of the words."""
    prefix = "" if "messages" in columns else "speech_"
    if prefix + EMOTIONS[0] not in columns:
        return None
    mass = {name: float(columns[prefix + name].sum()) for name in EMOTIONS}
    total = sum(mass.values())
    return {name: round(value / total, 4) for name, value in mass.items()} if total > 0 else None


def _mean(values: Floats | None) -> float | None:
    if values is None or np.isnan(values).all():
        return None
    return round(float(np.nanmean(values)), 3)


def _chat_figures(chat: ChatGrid | None) -> ChatFigures | None:
    if chat is None:
        return None
    minutes = np.add.reduceat(chat.messages, np.arange(0, len(chat.messages), 60))
    return ChatFigures(
        messages=int(chat.messages.sum()),
        chatters=chat.total_chatters,
        peak_per_minute=int(minutes.max()),
        top_emotes=tuple(Emote(name=name, count=count) for name, count in chat.top_emotes),
    )
