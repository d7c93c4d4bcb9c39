"""The highlights as SubRip and WebVTT cues, and as YouTube chapters."""

from collections.abc import Sequence
from pathlib import Path

from shared.highlight import Highlight
from shared.text import one_line
from workers.exports.timeline import in_order, label

CHAPTER_S = 10  # YouTube: each chapter is this long or longer,
FEWEST_CHAPTERS = 3  # and there are so many, the first at 0:00
LONGEST_CHAPTER_TITLE = 100
# Players run `<b>` and `{\an8}` in SubRip, and YouTube's descriptions take no angle brackets.
_PLAIN = str.maketrans({"<": "‹", ">": "›", "{": "(", "}": ")"})

Highlights = Sequence[Highlight]


def _clock(millis: int, mark: str) -> str:
    return f"{millis // 3_600_000:02d}:{millis // 60_000 % 60:02d}:{millis // 1000 % 60:02d}{mark}{millis % 1000:03d}"


def _span(highlight: Highlight, mark: str) -> str:
    start = max(0, round(highlight.start_seconds * 1000))
    end = max(start + 1, round(highlight.end_seconds * 1000))
    return f"{_clock(start, mark)} --> {_clock(end, mark)}"


def write_srt(highlights: Highlights, into: Path) -> None:
    """One cue for each highlight, in order of time (SubRip)."""
    cues = [
        f"{number}\n{_span(highlight, ',')}\n{label(highlight).replace('-->', '→').translate(_PLAIN)}\n"
        for number, highlight in enumerate(in_order(highlights), start=1)
    ]
    into.write_text("\n".join(cues), encoding="utf-8")


def write_vtt(highlights: Highlights, into: Path) -> None:
    """One cue for each highlight, in order of time (WebVTT)."""
    cues = [f"{_span(highlight, '.')}\n{_vtt_text(label(highlight))}" for highlight in in_order(highlights)]
    into.write_text("\n\n".join(["WEBVTT", *cues]) + "\n", encoding="utf-8")


def _vtt_text(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def write_chapters(highlights: Highlights, into: Path, *, duration_s: float) -> bool:
    """Chapters for a YouTube description; False, and nothing is written, when there are too few of them."""
    begins = _chapter_begins(highlights, int(duration_s))
    if len(begins) < FEWEST_CHAPTERS:
        return False
    lines = [f"{_chapter_time(second)} {title}" for second, title in sorted(begins.items())]
    into.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return True


def _chapter_begins(highlights: Highlights, duration_s: int) -> dict[int, str]:
    """Title by second; where two would be too near to each other, the better highlight's stays."""
    begins = {0: "Start"}
    for highlight in sorted(highlights, key=lambda one: one.rank):
        second, title = int(highlight.start_seconds), _chapter_title(highlight)
        if second < CHAPTER_S and begins[0] == "Start":
            begins[0] = title
        elif second <= duration_s - CHAPTER_S and all(abs(second - other) >= CHAPTER_S for other in begins):
            begins[second] = title
    return begins


def _chapter_title(highlight: Highlight) -> str:
    title = one_line(highlight.title or "Highlight").translate(_PLAIN)
    return title if len(title) <= LONGEST_CHAPTER_TITLE else title[: LONGEST_CHAPTER_TITLE - 1].rstrip() + "…"


def _chapter_time(second: int) -> str:
    hours, minutes = second // 3600, second // 60 % 60
    return f"{hours}:{minutes:02d}:{second % 60:02d}" if hours else f"{minutes}:{second % 60:02d}"
