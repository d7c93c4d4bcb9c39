"""The product as the measure of its quality sees it: every call into scoring and selection goes through here."""

import tomllib
from pathlib import Path
from typing import NamedTuple

import numpy as np

from shared.emotions import EMOTIONS
from workers.analysis import scoring
from workers.analysis.chat_signals import chat_grid
from workers.analysis.lexicon import is_channel_emote
from workers.analysis.scoring import Weights
from workers.analysis.selection import select
from workers.analysis.stats import Floats
from workers.chatlog import Comment

FEATURES = Weights._fields[1:]
WEIGHTS_FILE = Path(scoring.__file__).with_name("weights.toml")


class Found(NamedTuple):
    """A highlight, in seconds. peak_s: the moment itself. score: 0-1."""

    start_s: float
    end_s: float
    peak_s: float
    score: float
    emotion: str | None


class Measured(NamedTuple):
    """A burst's features in the order of FEATURES, and the emotion most of its reactions show, None without any."""

    features: list[float]
    emotion: str | None


def find_in_chat(comments: list[Comment], *, count: int) -> list[Found]:
    """The best highlights from the chat alone, best first."""
    duration = max((comment.offset_seconds for comment in comments), default=0.0) + 1.0
    grid = chat_grid(comments, duration_s=duration)
    timeline = scoring.fuse(chat=grid, sound=None, words=None, duration_s=duration)
    return [
        Found(moment.start_s, moment.end_s, moment.peak_s, moment.score, moment.emotion)
        for moment in select(timeline, None, count=count)
    ]


def measure_burst(comments: list[Comment], *, length_s: float) -> Measured:
    """What scoring would multiply its weights with, taken over the whole burst."""
    grid = chat_grid(comments, duration_s=length_s + 1)
    total = grid.sums["weight"].sum()
    features = [float(scoring.share_of(name, grid.sums[name].sum(), total)) for name in FEATURES]
    mass = grid.emotions.sum(axis=1)
    return Measured(features, EMOTIONS[int(np.argmax(mass))] if mass.max() > 0 else None)


def without_channel_emotes(text: str) -> str:
    return " ".join(word for word in text.split() if not is_channel_emote(word))


def log_odds(features: Floats, weights: Weights) -> Floats:
    """features: shape (bursts, features)."""
    columns = {name: features[:, place] for place, name in enumerate(FEATURES)}
    return scoring.chat_log_odds(**columns, weights=weights)


def probability(odds: Floats) -> Floats:
    """What the product shows for these log-odds, 0-1."""
    return scoring.probability(odds)


def shipped_weights() -> Weights:
    return scoring.shipped_weights()


class TrainedOn(NamedTuple):
    """digests: of the texts of each stream or channel.  owners: the streamers and channels by name."""

    digests: frozenset[str]
    owners: frozenset[str]


def trained_on() -> TrainedOn:
    """What the shipped weights were fitted on."""
    data = tomllib.loads(WEIGHTS_FILE.read_text(encoding="utf-8"))
    return TrainedOn(frozenset(data.get("trained_on", ())), frozenset(data.get("trained_owners", ())))
