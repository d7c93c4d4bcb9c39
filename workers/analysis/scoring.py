"""How likely each second is to begin something a person would clip: all the parameters of the fusion stand here.

The score is a probability-like number 0-1, from two factors. Is something happening: how surely more people write
than usual (`surge`), whatever they write. What it is: which share of them reacts, shouts, asks for a clip, or is only
a crowd (weights.toml, fitted by `bench.train` on bursts that people labelled). Sound and words move the log-odds by
small hand-set amounts; alone, without chat, they carry it.
"""

import tomllib
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from shared.emotions import EMOTIONS
from shared.progress import Progress, silent
from workers.analysis.chat_signals import ChatGrid
from workers.analysis.lag import Lag, assumed_lag, chat_lag
from workers.analysis.sound_evidence import sound_evidence
from workers.analysis.sound_signals import SoundGrid
from workers.analysis.stats import Floats, count_z, ratio, sigmoid, window_sums
from workers.analysis.surge import WINDOWS_S, surge
from workers.analysis.timeline import Timeline
from workers.analysis.word_evidence import word_evidence
from workers.analysis.word_signals import WordGrid

WINDOW_S = 15
LEAD_S = 3  # the chat window begins this long before the reaction is due
SHRINK_MESSAGES = 4.0  # a window's shares are believed against this many messages of the stream's average
SURGE_GAIN = 3.0  # log-odds for each e-fold of people; set by hand: the labels are of bursts and do not know it
USUAL_SURGE = 1.26  # of the bursts that the weights were fitted on: surely 3.5 times the usual
LARGE_SURGE, LARGE_SHARE = 1.5, 0.2  # what a surge is over the first counts less: not whether, but how much
MORE_THAN_USUAL, LACK_GAIN = 0.15, 8.0  # of the messages more must react than usual; log-odds for a whole share less
HABIT_SHARE = 0.15  # of messages that react: where more do all the time, reacting says less
MOST_SCORE = 0.85  # people disagree: of the surest moments no more were liked (docs/quality.md)
MOST_CLIP = 0.05  # of the messages: more who ask for a clip say no more

ALONE_BASE = -3.0  # log-odds without chat, before sound and words are counted
ALONE_GAIN = 4.0  # without chat, sound and words count this many times more


class Weights(NamedTuple):
    """Log-odds for each whole share of a burst's messages; the intercept is that of a burst of USUAL_SURGE."""

    intercept: float
    reaction: float
    loud: float
    crowd: float
    clip: float


SHARES = Weights._fields[1:]


@cache
def shipped_weights() -> Weights:
    """weights.toml."""
    data = tomllib.loads(Path(__file__).with_name("weights.toml").read_text(encoding="utf-8"))
    return Weights(**{name: float(data[name]) for name in Weights._fields})


def share_of(name: str, part: Floats, whole: Floats) -> Floats:
    """The measure `name` of a burst: which share `part` of the messages `whole` is, 0-1."""
    share = part / np.maximum(1.0, whole)
    return np.minimum(share, MOST_CLIP) if name == "clip" else share


def chat_log_odds(*, reaction: Floats, loud: Floats, crowd: Floats, clip: Floats, weights: Weights) -> Floats:
    """Log-odds that a burst is worth a clip, given that it is one.

    Each a share of the messages, 0-1, and of one shape, as the result.
    """
    return (
        weights.intercept
        + weights.reaction * reaction
        + weights.loud * loud
        + weights.crowd * crowd
        + weights.clip * clip
    )


def probability(log_odds: Floats) -> Floats:
    """What is shown for log-odds: 0 to MOST_SCORE."""
    return MOST_SCORE * sigmoid(log_odds)


def fuse(
    *,
    chat: ChatGrid | None,
    sound: SoundGrid | None,
    words: WordGrid | None,
    duration_s: float,
    progress: Progress = silent,
) -> Timeline:
    """The timeline of a recording from what could be measured; what could not stays out and is said in `warnings`."""
    seconds = max(1, int(np.ceil(duration_s)))
    lag = _lag(chat, sound, seconds)
    progress(0.2)
    columns: dict[str, Floats] = {}
    z: dict[str, Floats] = {}
    extra = np.zeros(seconds)
    if sound is not None:
        extra = extra + sound_evidence(sound, columns, z)
    if words is not None:
        extra = extra + word_evidence(words, columns, z)
    progress(0.5)
    if chat is not None:
        from_chat = _add_chat(chat, lag, columns, z, lambda done: progress(0.5 + done / 2))
        columns["chat_score"] = probability(from_chat)
        log_odds = from_chat + extra
    else:
        log_odds = ALONE_BASE + ALONE_GAIN * extra
    columns["score"] = probability(log_odds)
    return Timeline(
        duration_s=duration_s,
        chat_lag_s=lag.seconds,
        chat_lag_measured=lag.measured,
        has_chat=chat is not None,
        has_sound=sound is not None,
        has_words=words is not None,
        columns=columns,
        z=z,
        warnings=_missing(chat, sound, words, lag),
    )


def _lag(chat: ChatGrid | None, sound: SoundGrid | None, seconds: int) -> Lag:
    """From the reactions the lexicon knows, else from all; the usual one where neither tells it."""
    if chat is not None and sound is not None:
        for name in ("felt", "reaction"):
            lag = chat_lag(sound.loudness, chat.sums[name])
            if lag.measured or lag.likely_offset_s is not None:
                return lag
    return assumed_lag(seconds)


def _missing(chat: ChatGrid | None, sound: SoundGrid | None, words: WordGrid | None, lag: Lag) -> list[str]:
    lines = []
    if chat is None:
        lines.append(_rests_on(sound, words))
    if sound is None:
        lines.append("The sound could not be measured: loudness is missing.")
    elif sound.voice is None:
        lines.append("Voices could not be told from other sound: shouting and laughter are not measured.")
    if words is None:
        lines.append("There are no words: speech rate, phrases and sentence borders are missing.")
    if chat is not None and lag.warning:
        lines.append(lag.warning)
    return lines


def _rests_on(sound: SoundGrid | None, words: WordGrid | None) -> str:
    """What a score without chat means, so that nobody takes it for what a crowd says."""
    grounds = []
    if sound is not None and sound.voice is not None:
        grounds += ["shouting", "laughter-like passages"]
    if sound is not None:
        grounds.append("sudden sound")
    if words is not None:
        grounds += ["excited phrases", "requests for a clip"]
    if not grounds:
        return "There is no chat, no sound and no words: the score rests on nothing."
    listed = ", ".join(grounds[:-1]) + " and " * (len(grounds) > 1) + grounds[-1]
    return f"There is no chat: the score rests on {listed}, with weights set by hand."


def _add_chat(chat: ChatGrid, lag: Lag, columns: dict[str, Floats], z: dict[str, Floats], progress: Progress) -> Floats:
    columns["chat_lag"] = lag.at.astype(np.float64)
    columns["messages"] = chat.messages
    columns["chatters"], columns["writers"], columns["people"] = chat.chatters, chat.writers, chat.people[WINDOWS_S[0]]
    for index, name in enumerate(EMOTIONS):
        columns[name] = chat.emotions[index]
    for name in ("reaction", "crowd", "loud", "clip", "weight"):
        columns[name] = chat.sums[name]
    columns["chat_sentiment"] = ratio(chat.sums["sentiment"], chat.sums["sentiment_count"])
    columns["subs"], columns["bits"] = chat.subs, chat.bits

    def due(values: Floats) -> Floats:
        """Over the window in which the reaction to each second is due."""
        return lag.due(window_sums(values, window_s=WINDOW_S), lead_s=LEAD_S)

    count = due(chat.sums["weight"])
    shares = {name: _shrunk_share(name, due(chat.sums[name]), count, chat) for name in SHARES}
    columns["surge"] = surge(chat.people, chat.reacting)
    here = lag.due(columns["surge"])
    for name, values in shares.items():
        columns[f"{name}_share"] = values
    z["chat_rate"] = count_z(count)
    z["chatters"] = count_z(due(chat.chatters))
    z["reactions"] = count_z(due(chat.emotions.sum(axis=0)))
    for index, name in enumerate(EMOTIONS):
        z[name] = count_z(due(chat.emotions[index]))
        progress((index + 1) / len(EMOTIONS))
    weights = shipped_weights()
    usual = float(chat.sums["reaction"].sum() / max(1.0, chat.sums["weight"].sum()))
    habit = weights.reaction * max(0.0, usual - HABIT_SHARE)
    large = LARGE_SHARE * np.maximum(0.0, here - LARGE_SURGE)
    happening = SURGE_GAIN * (np.minimum(here, LARGE_SURGE) + large - USUAL_SURGE)
    lack = LACK_GAIN * np.minimum(0.0, shares["reaction"] - usual - MORE_THAN_USUAL)
    return chat_log_odds(**shares, weights=weights) - habit + lack + happening


def _shrunk_share(name: str, part: Floats, whole: Floats, chat: ChatGrid) -> Floats:
    usual = float(chat.sums[name].sum() / max(1.0, chat.sums["weight"].sum()))
    return share_of(name, part + SHRINK_MESSAGES * usual, whole + SHRINK_MESSAGES)
