"""The 1 s grid that everything after the measuring works on, and its file `timeline.json`."""

import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from shared.errors import UnsupportedFormat
from workers.analysis.stats import Floats

MAX_SECONDS = 48 * 3600
_DECIMALS = 3


@dataclass(kw_only=True)
class Timeline:
    """columns and z: name to an array of shape (seconds,), a value per second of the recording; NaN where not measured.

    The chat columns stand at the second they were written; `score` and `z` stand at the moment reacted to, that is
    `lag_at` earlier.  chat_lag_s: the median delay.  z: robust standard deviations above the surroundings.
    """

    duration_s: float
    chat_lag_s: int
    chat_lag_measured: bool
    has_chat: bool
    has_sound: bool
    has_words: bool
    columns: dict[str, Floats]
    z: dict[str, Floats]
    warnings: list[str] = field(default_factory=list)
    chat_gaps: list[list[float]] = field(default_factory=list)  # seconds [start, end] whose comments could not be had

    @property
    def seconds(self) -> int:
        """How many steps of a second it has; at least one."""
        return max(1, int(np.ceil(self.duration_s)))

    def lag_at(self, second: int) -> int:
        """How many seconds after `second` the chat reacts to it."""
        at = self.columns.get("chat_lag")
        return self.chat_lag_s if at is None else int(at[min(max(second, 0), len(at) - 1)])


def write_timeline(timeline: Timeline, into: Path) -> None:
    """Write it as JSON."""
    head = {
        "step_seconds": 1,
        "duration_seconds": round(timeline.duration_s, 3),
        "chat_lag_seconds": timeline.chat_lag_s if timeline.chat_lag_measured else None,
        "chat_lag_used_seconds": timeline.chat_lag_s,
        "measured": {"chat": timeline.has_chat, "sound": timeline.has_sound, "words": timeline.has_words},
        "chat_gaps": timeline.chat_gaps,
        "warnings": timeline.warnings,
    }
    with into.open("w", encoding="utf-8") as file:
        file.write(json.dumps(head, ensure_ascii=False)[:-1])
        for name, group in (("columns", timeline.columns), ("z", timeline.z)):
            # A column at a time: a day of stream as one list of Python floats would take hundreds of megabytes.
            file.write(f', "{name}": {{')
            for place, (key, values) in enumerate(group.items()):
                file.write(f"{', ' if place else ''}{json.dumps(key)}: {json.dumps(_plain(values))}")
            file.write("}")
        file.write("}\n")


def _plain(values: Floats) -> list[float | int | None]:
    rounded = np.round(values, _DECIMALS) + 0.0
    return [None if v != v else int(v) if v == int(v) else v for v in rounded.tolist()]


def read_timeline(path: Path) -> Timeline:
    """Raises UnsupportedFormat when `path` is not a timeline."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        measured = document["measured"]
        timeline = Timeline(
            duration_s=float(document["duration_seconds"]),
            chat_lag_s=int(document["chat_lag_used_seconds"]),
            chat_lag_measured=document["chat_lag_seconds"] is not None,
            has_chat=bool(measured["chat"]),
            has_sound=bool(measured["sound"]),
            has_words=bool(measured["words"]),
            columns={name: np.array(values, dtype=float) for name, values in document["columns"].items()},
            z={name: np.array(values, dtype=float) for name, values in document["z"].items()},
            warnings=[str(line) for line in document["warnings"]],
            chat_gaps=[[float(edge) for edge in gap] for gap in document["chat_gaps"]],
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UnsupportedFormat("The timeline is not in the expected form.") from error
    columns = (*timeline.columns.values(), *timeline.z.values())
    if timeline.seconds > MAX_SECONDS or any(len(values) != timeline.seconds for values in columns):
        raise UnsupportedFormat("The timeline's columns have different lengths.")
    return timeline
