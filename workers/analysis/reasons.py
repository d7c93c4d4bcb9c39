"""Why a moment was chosen, in sentences with numbers; its title and its samples of chat."""

import re
from collections import Counter

import numpy as np

from workers.analysis.lexicon import EMOTIONS, lexicon
from workers.analysis.messages import Reader, Reading
from workers.analysis.scoring import WINDOW_S
from workers.analysis.selection import Moment
from workers.analysis.stats import surroundings, window_sums
from workers.analysis.timeline import Timeline
from workers.analysis.word_signals import Words, text_between

TITLE_CHARS = 70
CLEAR_RATIO = 1.3  # chat rates under this many times the usual say nothing
SAMPLES = 8
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
_LINKS = re.compile(r"(?:https?://|www\.)\S+")


class Reasons:
    """Explains moments of one recording."""

    def __init__(self, timeline: Timeline, words: Words | None) -> None:
        self._timeline = timeline
        self._words = words
        columns = timeline.columns
        if timeline.has_chat:
            self._count = window_sums(columns["messages"], window_s=WINDOW_S)
            self._usual, _ = surroundings(self._count)
        if timeline.has_sound:
            self._usual_loudness, _ = surroundings(columns["loudness_lufs"])

    def sentences(self, moment: Moment) -> list[str]:
        """Short sentences, the strongest evidence first."""
        lines = []
        if self._timeline.has_chat:
            lines += self._chat(moment)
        if self._timeline.has_sound:
            lines += self._sound(moment)
        if self._timeline.has_words:
            lines += self._speech(moment)
        return lines or [f"The best that could be found: score {moment.score:.2f}, no single signal stands out."]

    def _chat(self, moment: Moment) -> list[str]:
        columns = self._timeline.columns
        at = min(moment.second + self._timeline.chat_lag_s - 3, self._timeline.seconds - 1)
        at = max(0, at)
        span = slice(at, at + WINDOW_S)
        count, weight = float(self._count[at]), float(columns["weight"][span].sum())
        lines = []
        if count >= 3 and self._usual[at] > 0.5 and count / self._usual[at] >= CLEAR_RATIO:
            lines.append(f"Chat {count / self._usual[at]:.1f} times its usual rate ({count:.0f} messages in 15 s).")
        elif count and self._usual[at] <= 0.5:
            lines.append(f"{count:.0f} chat messages in 15 s where it is usually silent.")
        feelings = {name: float(columns[name][span].sum()) for name in EMOTIONS}
        best = max(feelings, key=feelings.__getitem__)
        if weight > 0 and feelings[best] >= 1:
            delay = "" if moment.reaction_s is None else self._delay(moment.reaction_s - moment.peak_s)
            lines.append(f"{100 * min(1.0, feelings[best] / weight):.0f} % of the messages {_DOING[best]}{delay}.")
        for name, text in (("subs", "subscriptions or gifts"), ("bits", "bits cheered")):
            amount = float(columns[name][span].sum())
            if amount:
                lines.append(f"{amount:.0f} {text} in the same 15 s.")
        return lines

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
        laughing = self._timeline.z["laughter"][start : int(moment.peak_s) + 10]
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
        """The highest z-score of every signal at the moment."""
        near = slice(max(0, moment.second - 2), moment.second + 6)
        found = {name: values[near].max() for name, values in self._timeline.z.items()}
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
    """Messages that show the reaction, the most telling first, without names and links, no two alike."""
    clean = [_LINKS.sub("", _NAMES.sub("", message)).strip()[:SAMPLE_CHARS] for message in messages]
    counts = Counter(text.lower() for text in clean)
    seen: set[str] = set()
    scored = []
    for place, text in enumerate(clean):
        if not text or text.lower() in seen:
            continue
        seen.add(text.lower())
        scored.append((-_telling(reader.read(text), emotion) - 0.1 * min(5, counts[text.lower()]), place, text))
    return [text for _, _, text in sorted(scored)[:SAMPLES]]


def _telling(read: Reading, emotion: str | None) -> float:
    if read.command or read.thanks or read.greeting:
        return -1.0
    same = read.emotion >= 0 and EMOTIONS[read.emotion] == emotion
    return read.reaction * (1.5 if same else 0.7) + min(read.tokens, 8) * 0.05


def title(moment: Moment, words: Words | None, samples: list[str], reader: Reader) -> str:
    """From the sentence said at the moment, else from the chat, else the emotion and the time."""
    said = _sentence_at(words, moment) if words is not None else ""
    if len(said.split()) >= 3:
        return _short(said, TITLE_CHARS)
    label = _LABEL.get(moment.emotion or "", "Highlight")
    for text in samples:
        plain = [
            word for word in text.split() if reader.read(word).emotion < 0 and word.lower() not in lexicon().emotions
        ]
        if 3 <= len(text.split()) <= 12 and len(plain) >= 2 and not reader.read(text).question:
            return f'{label}: "{_short(text, TITLE_CHARS - len(label) - 4)}"'
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
