"""Why a moment was chosen, in sentences with numbers; its title and its samples of chat."""

import re
from collections import Counter
from typing import NamedTuple

import numpy as np

from shared.emotions import EMOTIONS
from workers.analysis.chat_columns import kind_of
from workers.analysis.lexicon import lexicon
from workers.analysis.messages import Reader, Reading
from workers.analysis.scoring import LEAD_S, WINDOW_S
from workers.analysis.selection import Moment
from workers.analysis.stats import surroundings
from workers.analysis.surge import usual_count
from workers.analysis.timeline import Timeline
from workers.analysis.word_signals import Words, text_between

TITLE_CHARS = 70
CLEAR_RATIO = 1.3  # chat rates under this many times the usual say nothing
HEIGHT_S = 8  # after the reaction is due: later, the next thing may be what is written about
SAMPLES = 8
COMMON_CHARS, COMMON_PEOPLE, COMMON_SHARE = 24, 3, 0.2
SAID_BEFORE_S = 6
SAMPLE_CHARS = 120
_DOING = {
    "excitement": "amazed", "funny": "laughing", "happiness": "happy", "anger": "angry", "sadness": "sad",
    "shock": "shocked",
}  # fmt: skip
_LABEL = {
    "excitement": "Hype", "funny": "Laughter", "happiness": "Joy", "anger": "Anger", "sadness": "Heartbreak",
    "shock": "Shock",
}  # fmt: skip
_NAMES = re.compile(r"@\S+")
_AROUND = "@,.:;!?()[]<>'\""
_SHORTEST_NAME = 4  # Twitch names have four characters or more
_SUPPORT = (("subs", "subscription or gift", "subscriptions or gifts"), ("bits", "bit cheered", "bits cheered"))
_LONG_RUN = re.compile(r"(.)\1{5,}")
_LINKS = re.compile(r"(?:https?://|www\.)\S+")


class Common(NamedTuple):
    """A text and which share of the messages is it, 0-1."""

    text: str
    share: float


class Reasons:
    """Explains moments of one recording."""

    def __init__(self, timeline: Timeline, words: Words | None) -> None:
        self._timeline = timeline
        self._words = words
        columns = timeline.columns
        if timeline.has_chat:
            self._usual = usual_count(columns["writers"])
        if timeline.has_sound:
            self._usual_loudness, _ = surroundings(columns["loudness_lufs"])

    def sentences(self, moment: Moment, common: Common | None) -> list[str]:
        """Short sentences, the strongest evidence first. common: what most people wrote then."""
        lines = []
        if self._timeline.has_chat:
            lines += self._chat(moment, common)
        if self._timeline.has_sound:
            lines += self._sound(moment)
        if self._timeline.has_words:
            lines += self._speech(moment)
        return lines or [f"The best that could be found: score {moment.score:.2f}, no single signal stands out."]

    def _chat(self, moment: Moment, common: Common | None) -> list[str]:
        columns = self._timeline.columns
        at = self._height(moment)
        span = slice(at, at + WINDOW_S)
        writers, usual, weight = (
            float(columns["writers"][at]),
            float(self._usual[at]),
            float(columns["weight"][span].sum()),
        )
        wrote = "" if common is None else f', {"most" if common.share > 0.5 else "many"} of them "{common.text}"'
        lines = []
        if writers >= 3 and usual >= 0.5 and writers / usual >= CLEAR_RATIO:
            lines.append(f"{writers / usual:.1f} times as many people as usual wrote within {WINDOW_S} s{wrote}.")
        elif writers >= 3 and usual < 0.5:
            lines.append(f"{writers:.0f} people wrote within {WINDOW_S} s where it is usually silent{wrote}.")
        elif common is not None:
            lines.append(f'{100 * common.share:.0f} % of the messages were "{common.text}".')
        feelings = {name: float(columns[name][span].sum()) for name in EMOTIONS}
        if moment.emotion is not None and weight > 0 and feelings[moment.emotion] >= 1:
            delay = "" if moment.reaction_s is None else self._delay(moment.reaction_s - moment.peak_s)
            share = 100 * min(1.0, feelings[moment.emotion] / weight)
            lines.append(f"{share:.0f} % of the messages {_DOING[moment.emotion]}{delay}.")
        clips = float(columns["clip"][span].sum())
        if clips >= 1:
            lines.append(f"{clips:.0f} asked for a clip.")
        for name, one, many in _SUPPORT:
            amount = round(float(columns[name][span].sum()))
            if amount:
                lines.append(f"{amount} {one if amount == 1 else many} in the same {WINDOW_S} s.")
        return lines

    def _height(self, moment: Moment) -> int:
        """The second near the moment from which most people write within the window."""
        first = max(0, min(moment.second + self._timeline.lag_at(moment.second) - LEAD_S, self._timeline.seconds - 1))
        return first + int(np.argmax(self._timeline.columns["writers"][first : first + HEIGHT_S]))

    def _delay(self, seconds: float) -> str:
        if seconds < 1:
            return ""
        note = "" if self._timeline.chat_lag_measured else " (delay assumed)"
        return f", from {seconds:.0f} s after the moment{note}"

    def _sound(self, moment: Moment) -> list[str]:
        loudness = self._timeline.columns["loudness_lufs"]
        start = max(0, int(moment.peak_s) - 2)
        span = loudness[start : int(moment.peak_s) + 8]
        lines = []
        if len(span) and not np.isnan(span).all():
            above = float(np.nanmax(span) - self._usual_loudness[start])
            if above >= 3:
                lines.append(f"Sound {above:.0f} LU louder than around it.")
        laughing = self._timeline.z.get("laughter", np.zeros(0))[start : int(moment.peak_s) + 10]
        if len(laughing) and laughing.max() > 3:
            lines.append(f"A passage that pulses like laughter ({laughing.max():.1f} times the usual spread).")
        return lines

    def _speech(self, moment: Moment) -> list[str]:
        start = max(0, int(moment.peak_s) - 3)
        rate = self._timeline.z["speech_rate"][start : int(moment.peak_s) + 8]
        words = self._timeline.columns["speech_rate"][start : int(moment.peak_s) + 8]
        lines = []
        said = self.said_before(moment)
        if said:
            lines.append(f'Said in the {SAID_BEFORE_S} s up to it: "{said}".')
        if len(rate) and rate.max() > 2:
            lines.append(f"Speech at {words.max():.1f} words a second, faster than around it.")
        return lines

    def said_before(self, moment: Moment) -> str:
        """The last words said up to the moment."""
        if self._words is None:
            return ""
        return _short(text_between(self._words, moment.peak_s - SAID_BEFORE_S, moment.peak_s + 1), 60, keep_end=True)

    def signals(self, moment: Moment) -> dict[str, float]:
        """The highest z-score of every signal at the moment, and the two factors of its score.

        surge: natural logarithm of how many times the usual number of people surely wrote.  reacting: share of the
        messages that react, 0-1.
        """
        near = slice(max(0, moment.second - 2), moment.second + 6)
        found = {name: values[near].max() for name, values in self._timeline.z.items()}
        if self._timeline.has_chat:
            at = min(moment.second, self._timeline.seconds - 1)
            lagged = min(at + self._timeline.lag_at(at), self._timeline.seconds - 1)
            found["surge"] = self._timeline.columns["surge"][lagged]
            found["reacting"] = self._timeline.columns["reaction_share"][at]
        return {name: round(float(value), 2) + 0.0 for name, value in found.items()}


def transcript_of(words: Words | None, moment: Moment) -> str | None:
    """What was said in the highlight; None when words were not measured."""
    if words is None:
        return None
    return _short(text_between(words, moment.start_s, moment.end_s), 2000)


def without_names(text: str, names: set[str]) -> str:
    """`text` without the words that are a user's name, unless they are also known words such as "lol"."""
    kept = (word for word in text.split() if word.strip(_AROUND).lower() not in names or _is_word(word))
    return " ".join(kept)


def _is_word(word: str) -> bool:
    bare = word.strip(_AROUND).lower()
    return bare in lexicon().emotions or bare in lexicon().valences or len(bare) < _SHORTEST_NAME


def chat_samples(messages: list[str], emotion: str | None, reader: Reader) -> list[str]:
    """Messages that show the reaction, the most telling first, without names and links, no two of a kind."""
    clean = [_LINKS.sub("", _NAMES.sub("", message)).strip()[:SAMPLE_CHARS] for message in messages]
    kinds = [_kind(text) or text.lower() for text in clean]
    counts = Counter(kinds)
    seen: set[str] = set()
    scored = []
    for place, (text, kind) in enumerate(zip(clean, kinds, strict=True)):
        if not text or kind in seen:
            continue
        seen.add(kind)
        scored.append((-_telling(reader.read(text), emotion) - 0.1 * min(5, counts[kind]), place, text))
    return [text for _, _, text in sorted(scored)[:SAMPLES]]


def _telling(read: Reading, emotion: str | None) -> float:
    if read.command or read.thanks or read.greeting:
        return -1.0
    same = read.emotion >= 0 and EMOTIONS[read.emotion] == emotion
    return read.reaction * (1.5 if same else 0.7) + min(read.tokens, 8) * 0.05


def most_common(messages: list[str]) -> Common | None:
    """The short text that most wrote, whatever its stretching; None when no one text stands out."""
    kinds: dict[str, Counter[str]] = {}
    for message in messages:
        kind = _kind(message)
        if kind:
            kinds.setdefault(kind, Counter())[_shown(message)] += 1
    if not kinds:
        return None
    best = max(kinds.values(), key=lambda forms: forms.total())
    share = best.total() / len(messages)
    text = best.most_common(1)[0][0]
    return Common(text, share) if best.total() >= COMMON_PEOPLE and share >= COMMON_SHARE else None


def _kind(message: str) -> str:
    lower = message.lower()
    words = lower.split()
    return kind_of(lower, words, set(words))


def _shown(message: str) -> str:
    """`message` with one word written many times once, and long runs of a sign cut to five."""
    words = message.split()
    once = words[0] if len({word.lower() for word in words}) == 1 else " ".join(words)
    return _LONG_RUN.sub(r"\1\1\1\1\1", once)[:COMMON_CHARS]


def title(moment: Moment, words: Words | None, common: Common | None) -> str:
    """From the sentence said at the moment, else from what most people wrote, else the time."""
    said = _sentence_at(words, moment) if words is not None else ""
    if len(said.split()) >= 3:
        return _short(said, TITLE_CHARS)
    label = _LABEL.get(moment.emotion or "", "Highlight")
    if common is not None:
        return f'{label}: "{common.text}"'
    minutes = int(moment.peak_s) // 60
    return f"{label} at {minutes // 60}:{minutes % 60:02d}:{int(moment.peak_s) % 60:02d}"


def _sentence_at(words: Words | None, moment: Moment) -> str:
    """The sentence that is being said at the moment, or the one that begins right after."""
    if words is None or not len(words.sentence_starts):
        return ""
    place = max(0, int(np.searchsorted(words.sentence_starts, moment.peak_s + 1.0, side="right")) - 1)
    best = ""
    for index in range(max(0, place - 1), min(place + 3, len(words.sentence_starts))):
        start, end = words.sentence_starts[index], words.sentence_ends[index]
        if end < moment.start_s or start > moment.peak_s + 6:
            continue
        text = text_between(words, float(start), float(end) + 0.01)
        if len(text.split()) >= 3 and (not best or abs(start - moment.peak_s) < 3):
            best = text
    return best


def _short(text: str, limit: int, *, keep_end: bool = False) -> str:
    """`text` on one line, cut between words."""
    text = " ".join(text.split())
    if len(text) <= limit:
        return text
    if keep_end:
        return "…" + text[len(text) - limit :].split(" ", 1)[-1]
    return text[:limit].rsplit(" ", 1)[0] + "…"
