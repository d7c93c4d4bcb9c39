"""The highlights stage, first half: choose the moments, explain them, write their files."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from shared.feedback import Verdict
from shared.files import HIGHLIGHTS, TIMELINE_PICTURE
from shared.highlight import Highlight, as_dicts
from workers.analysis.chat_signals import is_bot
from workers.analysis.features import features_at, shipped_vector, write_features
from workers.analysis.learning import learned, retuned
from workers.analysis.messages import Reader
from workers.analysis.plots import draw_timeline
from workers.analysis.reasons import Reasons, chat_samples, most_common, title, transcript_of, without_names
from workers.analysis.repeats import Said, without_repeats
from workers.analysis.selection import Moment, apart, candidates
from workers.analysis.stats import Floats
from workers.analysis.timeline import Timeline, read_timeline
from workers.analysis.word_signals import Words, read_words
from workers.chatlog import read_comments

MAX_SAMPLED = 400  # messages looked at for one highlight's samples


class Found(NamedTuple):
    """highlights: best first, clip_url and thumbnail_url still None.

    features: what each score was made of, by rank; empty without chat.  tuned_on: how many verdicts moved the ranking.
    """

    highlights: list[Highlight]
    warnings: tuple[str, ...]
    features: dict[int, Floats]
    tuned_on: int


def find_highlights(
    *,
    timeline: Path,
    chat: Path | None,
    transcript: Path | None,
    duration_s: float,
    count: int,
    watch_url: str | None,
    verdicts: Sequence[Verdict] = (),
) -> Found:
    """The best `count` moments of the recording with everything known about each. Raises UnsupportedFormat.

    verdicts: on earlier highlights of the channel.
    """
    grid = read_timeline(timeline)
    tuning = learned(verdicts, shipped_vector()) if grid.has_chat else None
    if tuning is not None:
        grid = retuned(grid, tuning)
    words = read_words(transcript) if transcript else None
    found = [moment for moment in candidates(grid, words, count=count) if moment.start_s < duration_s]
    messages = _messages(chat, found, grid) if chat and grid.has_chat else {}
    said = {moment: Said(messages.get(moment, []), transcript_of(words, moment) or "") for moment in found}
    moments = apart(without_repeats(found, said), count=count)
    highlights = describe(grid, words, moments, messages if grid.has_chat else None, watch_url=watch_url)
    warnings = list(grid.warnings)
    if len(highlights) < count:
        warnings.append(f"{len(highlights)} highlights were found, {count} were asked for.")
    features = {place: features_at(grid, moment.second) for place, moment in enumerate(moments, 1) if grid.has_chat}
    return Found(highlights, tuple(warnings), features, tuning.verdicts if tuning else 0)


def _messages(chat: Path, moments: list[Moment], timeline: Timeline) -> dict[Moment, list[str]]:
    """The messages written while each moment and its reaction went on, without bots and without names."""
    at: dict[int, list[Moment]] = {}
    for moment in moments:
        for second in range(int(moment.peak_s), int(moment.end_s) + timeline.lag_at(moment.second) + 1):
            at.setdefault(second, []).append(moment)
    found: dict[Moment, list[str]] = {moment: [] for moment in moments}
    names: set[str] = set()
    for comment in read_comments(chat):
        if comment.user:
            names.add(comment.user.lower())
            if is_bot(comment.user):
                continue
        for moment in at.get(int(comment.offset_seconds), ()):
            if len(found[moment]) < MAX_SAMPLED:
                found[moment].append(comment.text)
    return {moment: [without_names(text, names) for text in texts] for moment, texts in found.items()}


def describe(
    timeline: Timeline,
    words: Words | None,
    moments: list[Moment],
    messages: dict[Moment, list[str]] | None,
    *,
    watch_url: str | None,
) -> list[Highlight]:
    """The result document's highlights for `moments`, in their order."""
    reasons, reader = Reasons(timeline, words), Reader()
    highlights = []
    for place, moment in enumerate(moments):
        written = messages.get(moment, []) if messages else []
        common = most_common(written)
        highlights.append(
            Highlight(
                rank=place + 1,
                start_seconds=moment.start_s,
                end_seconds=moment.end_s,
                peak_seconds=moment.peak_s,
                score=round(moment.score, 3),
                emotion=moment.emotion,
                title=title(moment, words, common),
                reasons=tuple(reasons.sentences(moment, common)),
                transcript=transcript_of(words, moment),
                chat_sample=tuple(chat_samples(written, moment.emotion, reader)) if messages is not None else None,
                signals=reasons.signals(moment),
                watch_url=_at(watch_url, moment.start_s),
            )
        )
    return highlights


def _at(watch_url: str | None, second: float) -> str | None:
    if not watch_url:
        return None
    return f"{watch_url}{'&' if '?' in watch_url else '?'}t={int(second)}s"


def write_highlight_files(found: Found, *, timeline: Path, title: str | None, into: Path) -> tuple[str, ...]:
    """highlights.json, features.json and timeline.svg in `into`; returns their names."""
    document = {"highlights": as_dicts(found.highlights), "warnings": found.warnings}
    text = json.dumps(document, ensure_ascii=False, indent=1)
    (into / HIGHLIGHTS.name).write_text(text + "\n", encoding="utf-8")
    draw_timeline(read_timeline(timeline), found.highlights, title=title, into=into / TIMELINE_PICTURE.name)
    return (HIGHLIGHTS.name, write_features(found.features, into), TIMELINE_PICTURE.name)
