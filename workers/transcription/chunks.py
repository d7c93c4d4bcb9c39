"""Long sound in chunks (of half an hour unless told), cut where it is quietest, each finished chunk kept on disk."""

import json
from pathlib import Path

import numpy as np

from shared.atomic import written_whole
from workers.media.cutting import Span
from workers.media.speech_samples import RATE, Samples, duration_s, read_samples

CHUNK_S = 1800.0
SEARCH_S = 120.0  # how far before a chunk's longest end its silence is looked for
QUIET_S = 0.5  # length of the silence
STEP_S = 0.02  # grid of the search
FORMAT = 2  # of the kept files; raise it when their content changes


def plan(audio: Path, *, chunk_s: float = CHUNK_S) -> tuple[Span, ...]:
    """The chunks of `audio`, in order, without gaps: each at most `chunk_s` long, cut at the quietest half second.

    The same file always gives the same chunks. Raises UnsupportedFormat.
    """
    total = duration_s(audio)
    search_s = min(SEARCH_S, chunk_s / 3)
    starts = [0.0]
    while total - starts[-1] > chunk_s:
        latest = starts[-1] + chunk_s
        around = read_samples(audio, latest - search_s, latest)
        starts.append(round(latest - search_s + quietest_s(around), 2))
    ends = [*starts[1:], round(total, 3)]
    return tuple(Span(start, end) for start, end in zip(starts, ends, strict=True) if end > start)


def quietest_s(samples: Samples) -> float:
    """The middle of the quietest half second, in seconds; the first of equals. Shape (samples,), 16 kHz."""
    step = round(STEP_S * RATE)
    steps = len(samples) // step
    window = round(QUIET_S / STEP_S)
    if steps <= window:
        return len(samples) / RATE / 2
    power = np.square(samples[: steps * step].astype(np.float64)).reshape(steps, step).mean(axis=1)
    sums = np.convolve(power, np.ones(window), mode="valid")
    # Rounding lets equal silences stay equal, so that the first one wins.
    return (int(np.argmin(np.round(sums, 9))) + window / 2) * STEP_S


class ChunkStore:
    """Finished chunks in a folder. What was kept for other sound, another model or another cut is not used."""

    def __init__(self, folder: Path, *, audio: Path, **made_with: str) -> None:
        self._folder = folder
        self._key = {"format": FORMAT, "bytes": audio.stat().st_size, **made_with}

    def load(self, span: Span) -> dict[str, object] | None:
        """What was kept for `span`, None when there is nothing usable."""
        try:
            kept = json.loads(self._path(span).read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return None
        if not isinstance(kept, dict) or kept.get("key") != self._key_of(span) or not isinstance(kept["piece"], dict):
            return None
        return kept["piece"]

    def save(self, span: Span, chunk: dict[str, object]) -> None:
        """Keep `chunk`; it is there whole or not at all."""
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._path(span)
        text = json.dumps({"key": self._key_of(span), "piece": chunk}, allow_nan=False)
        with written_whole(path) as temporary:
            temporary.write_text(text, encoding="utf-8")

    def sound_path(self, span: Span) -> Path:
        """Where the chunk's sound may be put while it is worked on."""
        self._folder.mkdir(parents=True, exist_ok=True)
        return self._path(span).with_suffix(".m4a")

    def _path(self, span: Span) -> Path:
        return self._folder / f"piece-{round(span.start * 1000):09}.json"

    def _key_of(self, span: Span) -> dict[str, object]:
        return {**self._key, "start": span.start, "end": span.end}
