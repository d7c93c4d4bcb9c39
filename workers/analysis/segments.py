"""`segments.csv`: 60 s windows every 30 s, with the column names the system before this one wrote."""

import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from shared.emotions import EMOTIONS
from workers.analysis.stats import Floats
from workers.analysis.timeline import Timeline
from workers.analysis.word_signals import Words

WINDOW_S = 60
STEP_S = 30
_FEELINGS = ("excitement", "funny", "happiness", "anger", "sadness", "neutral")
_POSITIVE = frozenset(("excitement", "happiness", "funny"))
COLUMNS = (
    "start_time", "end_time", "text", *_FEELINGS, "sentiment_score", "highlight_score", "audio_intensity",
    "audio_intensity_relative", "chat_volume", "chat_sentiment", "chat_highlight_score",
    *(f"chat_{name}" for name in _FEELINGS), "fused_sentiment", *(f"fused_{name}" for name in _FEELINGS),
    "emotional_alignment", "emotional_relationship", "enhanced_highlight_score", "shock", "chat_shock",
    "unique_chatters", "speech_rate", "loudness_lufs",
)  # fmt: skip
_SPEECH_WEIGHT = 0.6  # of the fused emotions and sentiment, as in the system before
Row = dict[str, str | float | int | None]


def windows(duration_s: float) -> list[tuple[float, float]]:
    """Windows of 60 s every 30 s; the last one ends with the recording; a short recording gives one."""
    if duration_s <= WINDOW_S:
        return [(0.0, duration_s)]
    starts = np.arange(0.0, duration_s - WINDOW_S + STEP_S, STEP_S)
    return [(float(start), float(min(start + WINDOW_S, duration_s))) for start in starts]


def write_segments(timeline: Timeline, words: Words | None, chatters: Floats | None, into: Path) -> None:
    """chatters: shape (windows,), unique chatters of each of `windows`; None without chat."""
    with into.open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, COLUMNS, restval="")
        table.writeheader()
        for row in _rows(timeline, words, chatters):
            table.writerow({name: "" if value is None else value for name, value in row.items()})


def _rows(timeline: Timeline, words: Words | None, chatters: Floats | None) -> Iterator[Row]:
    starts = np.array([word.start for word in words.words]) if words else np.zeros(0)
    loudness = timeline.columns.get("loudness_lufs")
    quietest, loudest = _range(loudness)
    for index, (start, end) in enumerate(windows(timeline.duration_s)):
        span = slice(int(start), max(int(start) + 1, int(np.ceil(end))))
        speech = _shares(timeline, span, "speech_", "phrases")
        chat = _shares(timeline, span, "", "weight")
        row: Row = {"start_time": round(start, 3), "end_time": round(end, 3)}
        if words:
            first, last = np.searchsorted(starts, (start, end))
            row["text"] = " ".join(word.word.strip() for word in words.words[first:last])
        row |= speech | {f"chat_{name}": value for name, value in chat.items()}
        row |= _measures(timeline, span) | _fused(speech, chat)
        row["unique_chatters"] = None if chatters is None else int(chatters[index])
        level = _mean(loudness, span)
        if level is not None:
            row["audio_intensity"] = round(min(1.0, max(0.0, (level + 60) / 60)), 3)
            row["audio_intensity_relative"] = round((level - quietest) / max(1e-9, loudest - quietest), 3)
            row["loudness_lufs"] = level
        yield row | _fused_sentiment(row)


def _range(loudness: Floats | None) -> tuple[float, float]:
    if loudness is None or np.isnan(loudness).all():
        return 0.0, 1.0
    return float(np.nanmin(loudness)), float(np.nanmax(loudness))


def _measures(timeline: Timeline, span: slice) -> Row:
    columns = timeline.columns
    score = round(float(columns["score"][span].max()), 3)
    volume = columns.get("messages")
    return {
        "sentiment_score": _mean(columns.get("speech_sentiment"), span),
        "highlight_score": score,
        "enhanced_highlight_score": score,
        "chat_volume": None if volume is None else int(volume[span].sum()),
        "chat_sentiment": _mean(columns.get("chat_sentiment"), span),
        "chat_highlight_score": round(float(columns["chat_score"][span].max()), 3) if timeline.has_chat else None,
        "speech_rate": _mean(columns.get("speech_rate"), span),
    }


def _mean(values: Floats | None, span: slice) -> float | None:
    if values is None:
        return None
    part = values[span]
    part = part[~np.isnan(part)]
    return round(float(part.mean()), 3) if len(part) else None


def _shares(timeline: Timeline, span: slice, prefix: str, whole: str) -> dict[str, float]:
    """Share of each emotion and of none; empty when nobody wrote or spoke."""
    total = float(timeline.columns[whole][span].sum()) if whole in timeline.columns else 0.0
    if total <= 0:
        return {}
    shares = {name: float(timeline.columns[prefix + name][span].sum()) / total for name in EMOTIONS}
    scale = max(1.0, sum(shares.values()))
    shares = {name: round(value / scale, 3) for name, value in shares.items()}
    return shares | {"neutral": round(max(0.0, 1.0 - sum(shares.values())), 3)}


def _fused(speech: dict[str, float], chat: dict[str, float]) -> Row:
    if not speech or not chat:
        return {f"fused_{name}": value for name, value in (speech or chat).items() if name in _FEELINGS}
    fused = {name: _SPEECH_WEIGHT * speech[name] + (1 - _SPEECH_WEIGHT) * chat[name] for name in _FEELINGS}
    total = sum(fused.values())
    alignment = sum(1.0 - abs(speech[name] - chat[name]) for name in _FEELINGS) / len(_FEELINGS)
    row: Row = {f"fused_{name}": round(value / total, 3) if total else 0.0 for name, value in fused.items()}
    return row | {"emotional_alignment": round(alignment, 3), "emotional_relationship": _relationship(speech, chat)}


def _relationship(speech: dict[str, float], chat: dict[str, float]) -> str:
    said, written = (max(_FEELINGS, key=shares.__getitem__) for shares in (speech, chat))
    if said == written:
        return "synchronized"
    if "neutral" in (said, written):
        return "mixed"
    return {
        (True, True): "positive_aligned",
        (False, False): "negative_aligned",
        (True, False): "audience_negative",
        (False, True): "audience_positive",
    }[said in _POSITIVE, written in _POSITIVE]


def _fused_sentiment(row: Row) -> Row:
    said, written = row.get("sentiment_score"), row.get("chat_sentiment")
    if isinstance(said, float) and isinstance(written, float):
        return {"fused_sentiment": round(_SPEECH_WEIGHT * said + (1 - _SPEECH_WEIGHT) * written, 3)}
    return {"fused_sentiment": said if isinstance(said, float) else written}
