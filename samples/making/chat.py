"""The chat: reactions a few seconds after each moment, in the middle of much louder noise."""

import random
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from samples.making import chat_words as words
from samples.making.script import MOMENTS
from samples.making.voice import Programme

SEED = 23
STARTED_AT = datetime.fromisoformat("2026-01-10T19:00:00+00:00")
CHANNEL_ID = "900000001"
VIDEO_ID = "9000000001"
REACTION_S = (3.2, 14.0, 5.5)  # after the peak: first, last, most likely
REACTIONS = 40
SMALL_TALK_PER_S = 0.95
COLORS = ("#1E90FF", "#FF69B4", "#8A2BE2", "#2E8B57", "#FF7F50", "#DAA520", "#5F9EA0")


class Viewer(NamedTuple):
    id: str
    name: str
    display_name: str
    color: str | None
    badges: tuple[tuple[str, str], ...]


class Said(NamedTuple):
    at_s: float
    viewer: Viewer
    text: str
    kind: str
    bits: int = 0
    notice: str | None = None


def _viewers(dice: random.Random, count: int) -> list[Viewer]:
    pairs = [(first, last) for first in words.FIRST_NAMES for last in words.LAST_NAMES]
    viewers = []
    for number, (first, last) in enumerate(dice.sample(pairs, count)):
        shown = f"Demo_{first.title()}{last.title()}" if number % 19 else f"見本{number:03d}"
        badge = dice.choices(((), (("subscriber", "3"),), (("premium", "1"),), (("vip", "1"),)), (60, 28, 10, 2))[0]
        color = dice.choice((*COLORS, None))
        viewers.append(Viewer(str(910000000 + number), f"demo_{first}{last}", shown, color, badge))
    return viewers


BOT = Viewer("990000001", "demo_helperbot", "Demo_HelperBot", "#2E8B57", (("moderator", "1"),))


class _Writer:
    """Writes one kind of chatter after the other, with the same dice."""

    def __init__(self, programme: Programme) -> None:
        self.dice = random.Random(SEED)
        self.programme = programme
        self.viewers = _viewers(self.dice, 260)
        self.said: list[Said] = []

    def burst(
        self,
        kind: str,
        count: int,
        texts: Sequence[str],
        when: Callable[[], float],
        *,
        viewers: Iterable[Viewer] | None = None,
    ) -> None:
        """`count` messages at times from `when`, each by another viewer unless told which."""
        authors = list(viewers) if viewers else self.dice.sample(self.viewers, count)
        for viewer in authors:
            self.said.append(Said(when(), viewer, self.dice.choice(texts), kind))

    def between(self, low_s: float, high_s: float, likely_s: float | None = None) -> Callable[[], float]:
        return lambda: self.dice.triangular(low_s, high_s, likely_s)

    def reactions(self) -> None:
        pools = {"funny": words.FUNNY, "excitement": words.HYPE, "sadness": words.SAD}
        for moment in MOMENTS:
            peak_s = self.programme.events[moment.event]
            when = self.between(*(peak_s + delay_s for delay_s in REACTION_S))
            self.burst(f"reaction:{moment.name}", REACTIONS, pools[moment.emotion], when)

    def waves(self) -> None:
        cues, length_s = self.programme.cues, self.programme.length_s
        self.burst("openers", 62, words.OPENERS, self.between(0, 17, 5))
        self.burst("poll", 74, words.VOTES, self.between(cues["vote"] + 3, cues["vote"] + 17, cues["vote"] + 7))
        self.burst("copy_paste", 48, (words.PASTE,), self.between(cues["paste"] - 1, cues["paste"] + 10))
        self.burst("raid", 52, words.RAIDERS, self.between(cues["raid"] - 3, cues["raid"] + 9, cues["raid"] + 1))
        self.burst("farewells", 60, words.FAREWELLS, self.between(cues["farewell"] + 2, length_s - 0.5, length_s - 6))

    def spam(self) -> None:
        spammer, cues = self.dice.choice(self.viewers), self.programme.cues
        when = self.between(cues["after_goat"] + 4, cues["poll"])
        self.burst("spam", 36, words.SPAM, when, viewers=[spammer] * 36)

    def small_talk(self) -> None:
        now_s, recent = 2.0, list[str]()
        while now_s < self.programme.length_s - 1:
            text = self.dice.choice([text for text in words.SMALL_TALK if text not in recent])
            recent = [*recent, text][-40:]
            self.said.append(Said(now_s, self.dice.choice(self.viewers), text, "small_talk"))
            now_s += self.dice.expovariate(SMALL_TALK_PER_S)

    def commands(self) -> None:
        for at_s in range(9, int(self.programme.length_s) - 8, 13):
            viewer = self.dice.choice(self.viewers)
            command, answer = self.dice.choice(list(words.COMMANDS.items()))
            self.said.append(Said(at_s, viewer, command, "bot_command"))
            text = answer.format(name=viewer.display_name, minutes=at_s // 60 + 1)
            self.said.append(Said(at_s + 1, BOT, text, "bot_answer"))

    def notices(self) -> None:
        cues = self.programme.cues
        plan = (
            (cues["hello"] + 22, "{} subscribed with Prime. They've subscribed for 4 months!", "resub", 0),
            (cues["after_goat"] + 9, "{} subscribed at Tier 1.", "sub", 0),
            (cues["raid"] - 2, "52 raiders from {} have joined!", "raid", 0),
            (cues["after_giant"] + 3, "Cheer100 for the warm coat", None, 100),
            (cues["market"] + 2, "{} gifted a Tier 1 sub to Demo_QuietYarn!", "subgift", 0),
        )
        for at_s, text, notice, bits in plan:
            viewer = self.dice.choice(self.viewers)
            self.said.append(Said(at_s, viewer, text.format(viewer.display_name), "notice", bits, notice))


def write_chat(programme: Programme) -> list[Said]:
    """All messages in order of time."""
    writer = _Writer(programme)
    for part in (writer.reactions, writer.waves, writer.spam, writer.small_talk, writer.commands, writer.notices):
        part()
    return sorted(writer.said, key=lambda said: said.at_s)


def _fragments(text: str) -> list[dict[str, Any]]:
    """The text cut at Twitch's own emotes."""
    parts: list[dict[str, Any]] = []
    for number, word in enumerate(text.split(" ")):
        space = " " if number else ""
        emote = words.TWITCH_EMOTES.get(word)
        if emote is None and parts and parts[-1]["emoticon"] is None:
            parts[-1]["text"] += space + word
        elif emote is None:
            parts.append({"text": space + word, "emoticon": None})
        else:
            if space and parts[-1]["emoticon"] is None:
                parts[-1]["text"] += space
            elif space:
                parts.append({"text": space, "emoticon": None})
            parts.append({"text": word, "emoticon": {"emoticon_id": emote}})
    return parts


def _emoticons(fragments: list[dict[str, Any]]) -> list[dict[str, Any]]:
    found, begin = [], 0
    for fragment in fragments:
        end = begin + len(fragment["text"])
        if fragment["emoticon"]:
            found.append({"_id": fragment["emoticon"]["emoticon_id"], "begin": begin, "end": end - 1})
        begin = end
    return found


def _comment(number: int, said: Said) -> dict[str, Any]:
    fragments = _fragments(said.text)
    viewer = said.viewer
    return {
        "_id": f"00000000-0000-4000-8000-{number:012d}",
        "created_at": f"{(STARTED_AT + timedelta(seconds=said.at_s)).isoformat(timespec='milliseconds')[:-6]}Z",
        "channel_id": CHANNEL_ID,
        "content_type": "video",
        "content_id": VIDEO_ID,
        "content_offset_seconds": int(said.at_s),  # Twitch gives whole seconds
        "commenter": {"display_name": viewer.display_name, "_id": viewer.id, "name": viewer.name},
        "message": {
            "body": said.text,
            "bits_spent": said.bits,
            "fragments": fragments,
            "user_badges": [{"_id": name, "version": version} for name, version in viewer.badges],
            "user_color": viewer.color,
            "user_notice_params": {"msg_id": said.notice},
            "emoticons": _emoticons(fragments),
        },
    }


def chat_file(said: list[Said], *, length_s: float) -> dict[str, Any]:
    """The chat in the shape TwitchDownloader writes."""
    return {
        "FileInfo": {"Version": {"Major": 1, "Minor": 4, "Patch": 0}, "CreatedAt": f"{STARTED_AT:%Y-%m-%dT%H:%M:%SZ}"},
        "streamer": {"name": "demo_streamer", "id": int(CHANNEL_ID)},
        "video": {
            "title": "Duck River, a quiet evening (synthetic demo)",
            "description": None,
            "id": VIDEO_ID,
            "created_at": f"{STARTED_AT:%Y-%m-%dT%H:%M:%SZ}",
            "start": 0,
            "end": length_s,
            "length": length_s,
            "viewCount": 260,
            "game": "Duck River",
            "chapters": [],
        },
        "comments": [_comment(number, one) for number, one in enumerate(said, 1)],
        "embeddedData": None,
    }


def planted(said: list[Said]) -> list[dict[str, Any]]:
    """What was planted where: each kind with its first and last second and its number of comments."""
    kinds = sorted({one.kind for one in said})
    times = {kind: [one.at_s for one in said if one.kind == kind] for kind in kinds}
    return [
        {"kind": kind, "start_seconds": int(at[0]), "end_seconds": int(at[-1]), "comments": len(at)}
        for kind, at in sorted(times.items(), key=lambda item: item[1][0])
    ]
