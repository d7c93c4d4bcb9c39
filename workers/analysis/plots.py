"""`timeline.svg`: chat rate, emotions, loudness and the highlights over the whole recording."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MultipleLocator

from shared.emotions import EMOTIONS
from shared.highlight import Highlight
from workers.analysis.stats import Floats
from workers.analysis.timeline import Timeline

WIDTH_PX, HEIGHT_PX = 1200, 620
_DPI = 100
_POINTS = 600  # as many as 1200 px show
_COLOURS = {
    "excitement": "#e8a200", "funny": "#2a9d8f", "happiness": "#e76f9a", "anger": "#c1121f", "sadness": "#3a6ea5",
    "shock": "#7b2cbf",
}  # fmt: skip
_TICKS_S = (1, 5, 10, 30, 60, 300, 600, 1200, 1800, 3600, 7200, 14400)
_PLAIN = "#555555"


def draw_timeline(timeline: Timeline, highlights: Sequence[Highlight], *, title: str | None, into: Path) -> None:
    """Write the drawing; the same timeline gives the same bytes."""
    with mpl.rc_context(
        {"svg.hashsalt": "klipstream", "svg.fonttype": "none", "font.size": 9, "text.parse_math": False}
    ):
        figure = Figure(figsize=(WIDTH_PX / _DPI, HEIGHT_PX / _DPI), dpi=_DPI, layout="constrained")
        FigureCanvasSVG(figure)
        rate, feelings, loud, score = figure.subplots(4, 1, sharex=True, height_ratios=(2, 2, 1.4, 1.4))
        _draw_rate(rate, timeline)
        _draw_emotions(feelings, timeline)
        _draw_loudness(loud, timeline)
        _draw_score(score, timeline)
        for axes in (rate, feelings, loud, score):
            _mark(axes, highlights, numbers=axes is rate)
            axes.margins(x=0)
            axes.spines[["top", "right"]].set_visible(False)
        score.set_xlim(0, timeline.duration_s)
        score.xaxis.set_major_locator(MultipleLocator(_tick_s(timeline.duration_s)))
        score.xaxis.set_major_formatter(FuncFormatter(lambda second, _place: _clock(second)))
        rate.set_title(_safe(title) if title else "Highlights", loc="left", fontsize=11, pad=16)
        figure.savefig(into, format="svg", metadata={"Date": None, "Creator": "KlipStream"})


def _tick_s(duration_s: float) -> int:
    """A round step that gives twelve ticks at most."""
    return next((step for step in _TICKS_S if duration_s / step <= 12), _TICKS_S[-1])


def _safe(title: str) -> str:
    return "".join(char for char in title if char.isprintable())[:100]


def _clock(second: float) -> str:
    minutes = int(second) // 60
    return f"{minutes // 60}:{minutes % 60:02d}:{int(second) % 60:02d}"


def _thin(values: Floats, *, highest: bool = False) -> tuple[Floats, Floats]:
    """At most _POINTS of `values`, each the mean (or highest) of its stretch, with the second it stands at."""
    size = max(1, -(-len(values) // _POINTS))
    padded = np.append(values, np.full(-len(values) % size, np.nan)).reshape(-1, size)
    empty = np.isnan(padded).all(axis=1)
    filled = np.where(empty[:, None], 0.0, padded)
    thin: Floats = np.nanmax(filled, axis=1) if highest else np.asarray(np.nanmean(filled, axis=1))
    return np.arange(len(thin), dtype=np.float64) * size + size / 2, np.where(empty, np.nan, thin)


def _missing(axes: Axes, what: str) -> None:
    axes.text(0.5, 0.5, f"{what} not measured", transform=axes.transAxes, ha="center", va="center", color=_PLAIN)
    axes.set_yticks([])


def _draw_rate(axes: Axes, timeline: Timeline) -> None:
    axes.set_ylabel("messages\na minute")
    if not timeline.has_chat:
        _missing(axes, "Chat")
        return
    at, values = _thin(timeline.columns["messages"])
    axes.fill_between(at, values * 60, color="#9bb8d3", linewidth=0)
    axes.set_ylim(bottom=0)


def _draw_emotions(axes: Axes, timeline: Timeline) -> None:
    axes.set_ylabel("reactions\na minute")
    prefix = "" if timeline.has_chat else "speech_"
    if not (timeline.has_chat or timeline.has_words):
        _missing(axes, "Emotions")
        return
    bands = [_thin(timeline.columns[prefix + name]) for name in EMOTIONS]
    axes.stackplot(
        bands[0][0], *(values * 60 for _, values in bands), labels=EMOTIONS, colors=_COLOURS.values(), linewidth=0
    )
    axes.set_ylim(bottom=0)
    axes.legend(loc="lower right", bbox_to_anchor=(1.0, 0.98), ncols=6, fontsize=8, frameon=False, borderpad=0)


def _draw_loudness(axes: Axes, timeline: Timeline) -> None:
    axes.set_ylabel("loudness\nLUFS")
    if not timeline.has_sound:
        _missing(axes, "Loudness")
        return
    at, values = _thin(timeline.columns["loudness_lufs"])
    axes.plot(at, values, color=_PLAIN, linewidth=0.8)


def _draw_score(axes: Axes, timeline: Timeline) -> None:
    axes.set_ylabel("score")
    at, values = _thin(timeline.columns["score"], highest=True)
    axes.fill_between(at, values, color="#f2c078", linewidth=0)
    axes.set_ylim(0, 1)


def _mark(axes: Axes, highlights: Sequence[Highlight], *, numbers: bool) -> None:
    for highlight in highlights:
        colour = _COLOURS.get(highlight.emotion or "", _PLAIN)
        axes.axvspan(highlight.start_seconds, highlight.end_seconds, color=colour, alpha=0.35, linewidth=0)
        axes.axvline(highlight.peak_seconds, color=colour, linewidth=0.8)
        if numbers:
            axes.annotate(
                str(highlight.rank), (highlight.peak_seconds, 1.0), xycoords=("data", "axes fraction"),
                xytext=(0, 2), textcoords="offset points", ha="center", fontsize=8, color=colour, weight="bold",
            )  # fmt: skip
