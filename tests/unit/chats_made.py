"""Whole chats made up for the tests: hours of calm talk, one moment in it, and crowds that are no moment.

    python -m tests.unit.chats_made [--rate MESSAGES_A_SECOND]... [--minutes N] [--seeds N] [--bad]

prints where the planted moment of every language comes and its score, the same with every crowd beside it, and what is
found where there is no moment.
"""

import argparse
import time
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import numpy as np

from tests.unit.chat_phrases import CALM, MOMENTS
from workers.analysis.chat_signals import chat_grid
from workers.analysis.scoring import fuse
from workers.analysis.selection import Moment, select
from workers.chatlog import Comment

MINUTES = 120
VIEWERS = 400
MOMENT_MESSAGES, MOMENT_S = 40, 10.0
CROWD_MESSAGES = 3 * MOMENT_MESSAGES
GREETERS = 40
FOUND = 10
RATES = (0.5, 2.0, 8.0)
SURE = 0.3  # a moment has more, what is none has less
BESIDE = ("English laughter", "Made-up words", "Chinese digits (traditional)")
# The reaction is looked for around a highlight by this much: its own delay is not known to the finder.
EARLY_S, LATE_S = 8.0, 15.0
_GREETINGS = ("hi", "hello", "hey", "hello everyone", "hi chat", "hey all", "good evening", "yo")
_ART = "⠀⠀⣀⣴⣾⣿⣿⣿⣶⣄⠀⠀ ⠀⣼⣿⡿⠋⠉⠙⢿⣿⣧⠀ ⠀⣿⣿⠀⠀⠀⠀⠀⣿⣿⠀ ⠀⢿⣿⣦⣀⣀⣴⣿⡿⠀ ⠀⠀⠙⠿⣿⣿⠿⠋⠀⠀"
_PASTA = (
    "i am writing to you as a long time viewer LUL who has never seen a person lose to the first boss this often LUL"
)


def calm(
    language: str, *, rate: float, minutes: float = MINUTES, seed: int = 0, reacting: float = 0.02
) -> list[Comment]:  # fmt: skip
    """Talk of VIEWERS people at random times, `rate` messages a second, after greetings in the first half minute.

    Sentences are the language's own, or the beginning of one with the end of another, so that they hardly repeat; a
    share `reacting` are the lone laughs and hearts that stand in any chat.
    """
    random = np.random.default_rng([seed, *language.encode()])
    count = int(random.poisson(rate * minutes * 60))
    pool = _sentences(CALM[language])
    stray = ("lol", "haha", "xd", "nice", ":)", "❤️", "wow", "😂")
    comments = []
    for at in np.sort(random.random(count)) * minutes * 60:
        said = stray if random.random() < reacting else pool
        comments.append(_comment(float(at), said[int(random.integers(len(said)))], f"viewer{random.integers(VIEWERS)}"))
    hellos = [
        _comment(float(at), _GREETINGS[place % len(_GREETINGS)], f"viewer{place}")
        for place, at in enumerate(np.sort(random.random(GREETERS)) * 30)
    ]
    return together(comments, hellos)


def _sentences(whole: tuple[str, ...]) -> tuple[str, ...]:
    gap = " " if all(" " in one for one in whole) else ""
    parts = [one.split() if gap else list(one) for one in whole]
    halves = [(gap.join(part[: len(part) // 2]), gap.join(part[len(part) // 2 :])) for part in parts]
    return tuple(f"{head}{gap}{tail}" for head, _ in halves for _, tail in halves)


def moment(
    texts: tuple[str, ...], *, at: float, count: int = MOMENT_MESSAGES, length_s: float = MOMENT_S, seed: int = 0
) -> list[Comment]:  # fmt: skip
    """`count` people react at once, thick at first and thinning out."""
    random = np.random.default_rng([seed, count])
    times = at + length_s * np.sort(random.random(count)) ** 1.5
    return [
        _comment(float(when), texts[int(random.integers(len(texts)))], f"viewer{place * 7 % VIEWERS}")
        for place, when in enumerate(times)
    ]


def _spread(at: float, length_s: float, texts: Iterable[str], *, count: int, name: str = "other") -> list[Comment]:
    listed = list(texts)
    random = np.random.default_rng(count)
    times = at + length_s * np.sort(random.random(count))
    return [_comment(float(when), listed[place % len(listed)], f"{name}{place}") for place, when in enumerate(times)]


def poll(at: float) -> list[Comment]:
    """The streamer asks in chat, everyone answers with one of two numbers."""
    asked = [_comment(at - 3, "which way should i go, 1 for left, 2 for right?", "streamer")]
    return asked + _spread(at, 30, ("1", "2", "2", "1", "1"), count=CROWD_MESSAGES)


def spoken_poll(at: float) -> list[Comment]:
    """The question is said aloud; the chat holds the answers only."""
    return _spread(at, 30, ("yes", "no", "yes", "yes", "no", "nah", "yep"), count=CROWD_MESSAGES)


def giveaway(at: float) -> list[Comment]:
    """Everyone enters once."""
    told = [_comment(at - 5, "type !enter to take part in the giveaway", "Nightbot")]
    return told + _spread(at, 120, ("!enter",), count=CROWD_MESSAGES)


def word_giveaway(at: float) -> list[Comment]:
    """Everyone writes the word of the giveaway once, over minutes."""
    told = [_comment(at - 5, "write dragonfruit in chat to enter the giveaway, you have three minutes", "streamer")]
    return told + _spread(at, 150, ("dragonfruit",), count=CROWD_MESSAGES)


def greetings(at: float) -> list[Comment]:
    """Everyone says hello at the start: `at` is not used."""
    return _spread(min(at, 5.0), 40, _GREETINGS, count=CROWD_MESSAGES)


def raid(at: float) -> list[Comment]:
    """Another channel's viewers arrive: the notice, their call, hellos."""
    notice = [_comment(at - 2, "120 raiders from otherchannel have joined!", "otherchannel")]
    calls = ("otherchannel RAID", "otherchannel RAID <3 <3", "RAID RAID RAID", "hello raid", "hi from otherchannel")
    return notice + _spread(at, 40, calls, count=CROWD_MESSAGES, name="raider")


def raid_greetings(at: float) -> list[Comment]:
    """The raiders are welcomed."""
    notice = [_comment(at - 2, "85 raiders from otherchannel have joined!", "otherchannel")]
    hellos = ("welcome raiders", "hi raiders", "hello everyone", "welcome", "hey raiders welcome in", "hi")
    return notice + _spread(at, 40, hellos, count=CROWD_MESSAGES)


def gift_train(at: float) -> list[Comment]:
    """Gifts with their notices, and thanks."""
    start = [_comment(at - 1, "giver is gifting 50 Tier 1 Subs to streamer's community! They've gifted 90!", "giver")]
    gifts = [
        _comment(at + place * 0.2, f"giver gifted a Tier 1 sub to lucky{place}!", "giver")
        for place in range(CROWD_MESSAGES // 2)
    ]
    thanks = ("thanks for the gift", "thank you", "thanks giver", "W gift", "ty for the sub", "gifted", "W")
    return start + gifts + _spread(at + 3, 30, thanks, count=CROWD_MESSAGES // 2)


def spammer(at: float) -> list[Comment]:
    """One person writes again and again."""
    return [_comment(at + place * 0.15, "LUL LUL LUL", "spammer") for place in range(CROWD_MESSAGES)]


def art(at: float) -> list[Comment]:
    """The same picture of signs, pasted by many."""
    return _spread(at, 30, (_ART,), count=CROWD_MESSAGES)


def pasta(at: float) -> list[Comment]:
    """The same long text, pasted by many."""
    return _spread(at, 30, (_PASTA,), count=CROWD_MESSAGES)


def commands(at: float) -> list[Comment]:
    """Commands to bots, and their answers."""
    asked = ("!uptime", "!drops", "!rank", "!sr never gonna give you up", "!discord", "!points", "!play")
    answers = [_comment(at + place, "The stream is live for 2 hours 3 minutes", "Nightbot") for place in range(20)]
    return _spread(at, 30, asked, count=CROWD_MESSAGES) + answers


CROWDS: dict[str, Callable[[float], list[Comment]]] = {
    "poll": poll,
    "spoken poll": spoken_poll,
    "giveaway": giveaway,
    "giveaway of a word": word_giveaway,
    "greetings": greetings,
    "raid": raid,
    "greetings to a raid": raid_greetings,
    "gift train": gift_train,
    "one spammer": spammer,
    "pasted art": art,
    "pasted text": pasta,
    "bot commands": commands,
}


def _comment(at: float, text: str, user: str) -> Comment:
    return Comment(id=f"{at:.3f}-{user}", offset_seconds=at, user=user, text=text)


def together(*parts: list[Comment]) -> list[Comment]:
    return sorted((one for part in parts for one in part), key=lambda one: (one.offset_seconds, one.id))


def shuffled(comments: list[Comment], *, seed: int = 0) -> list[Comment]:
    """The same messages at the same times, in another order."""
    order = np.random.default_rng(seed).permutation(len(comments))
    return [
        one._replace(text=comments[other].text, user=comments[other].user)
        for one, other in zip(comments, order.tolist(), strict=True)
    ]


def find(comments: list[Comment], *, duration_s: float, count: int = FOUND) -> list[Moment]:
    """What the product finds in a chat alone, best first."""
    grid = chat_grid(comments, duration_s=duration_s)
    return select(fuse(chat=grid, sound=None, words=None, duration_s=duration_s), None, count=count)


def is_at(found: Moment, at: float, length_s: float = MOMENT_S) -> bool:
    return found.start_s - EARLY_S <= at + length_s and at <= found.end_s + LATE_S


class Place(NamedTuple):
    """Where the planted moment came. rank: from 1, None when it is not among those found.  rival: best other score."""

    rank: int | None
    score: float
    rival: float


def placed(found: list[Moment], at: float) -> Place:
    rank = next((place for place, one in enumerate(found, start=1) if is_at(one, at)), None)
    rival = max((one.score for one in found if not is_at(one, at)), default=0.0)
    return Place(rank, found[rank - 1].score if rank else 0.0, rival)


class Case(NamedTuple):
    """One made-up chat. at: where its moment stands, None when it has none and nothing may be found."""

    name: str
    comments: list[Comment]
    at: float | None


def cases(*, rate: float, minutes: float, seed: int) -> Iterator[Case]:
    """Every language's moment, every crowd beside moments that words tell and that none tells, crowds alone, calm."""
    at, crowd_at = minutes * 60 * 0.6, minutes * 60 * 0.3
    talk = {name: calm(name, rate=rate, minutes=minutes, seed=seed) for name in CALM}
    for name, (said, texts) in MOMENTS.items():
        yield Case(name, together(talk[said], moment(texts, at=at, seed=seed)), at)
    for beside in BESIDE:
        said, texts = MOMENTS[beside]
        chat = together(talk[said], moment(texts, at=at, seed=seed))
        for name, crowd in CROWDS.items():
            yield Case(f"{beside}, {name}", together(chat, crowd(crowd_at)), at)
    for name, crowd in CROWDS.items():
        yield Case(f"only {name}", together(talk["English"], crowd(crowd_at)), None)
    for said, chat in talk.items():
        yield Case(f"calm {said}", chat, None)
    for name in BESIDE:
        said, texts = MOMENTS[name]
        yield Case(f"shuffled {name}", shuffled(together(talk[said], moment(texts, at=at, seed=seed))), None)


def judged(case: Case, *, duration_s: float) -> tuple[bool, str]:
    """Whether the product did right by `case`, and what it found."""
    found = find(case.comments, duration_s=duration_s)
    if case.at is None:
        best = max((one.score for one in found), default=0.0)
        return best <= SURE, f"best {best:.2f}"
    place = placed(found, case.at)
    said = f"rank {place.rank or '-':>2}  {place.score:.2f}  other {place.rival:.2f}"
    return place.rank == 1 and place.score > SURE, said


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=float, action="append")
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--bad", action="store_true", help="print what went wrong only")
    given = parser.parse_args()
    begin, results = time.monotonic(), []
    for rate in given.rate or RATES:
        for seed in range(given.seeds):
            for case in cases(rate=rate, minutes=given.minutes, seed=seed):
                right, said = judged(case, duration_s=given.minutes * 60)
                results.append(right)
                if not (right and given.bad):
                    print(f"{'ok ' if right else 'BAD'}  {case.name:<52} {rate:>4g}/s  {said}", flush=True)
    print(f"{sum(results)} of {len(results)} as wanted, {time.monotonic() - begin:.0f} s")


if __name__ == "__main__":
    main()
