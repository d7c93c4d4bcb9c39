"""What single messages are taken for."""

import pytest

from workers.analysis.lexicon import EMOTIONS, is_channel_emote, meaning
from workers.analysis.messages import Reader


def emotion_of(text: str) -> str | None:
    emotion = Reader().read(text).emotion
    return EMOTIONS[emotion] if emotion >= 0 else None


@pytest.mark.parametrize(
    ("text", "emotion"),
    [
        ("LUL", "funny"),
        ("looooool", "funny"),
        ("KEKWWW KEKW", "funny"),
        ("ahahahahah", "funny"),
        ("哈哈哈哈哈哈", "funny"),
        ("ㅋㅋㅋㅋㅋㅋ", "funny"),
        ("хахахаха", "funny"),
        ("jajajajaja", "funny"),
        ("kkkkkkkkkk", "funny"),
        ("😂😂😂", "funny"),
        ("PogChamp", "excitement"),
        ("POGGGGGG", "excitement"),
        ("lets go boys", "excitement"),
        ("LETSGOOOOOO", "excitement"),
        ("sick clutch", "excitement"),
        ("nooooooooo", "shock"),
        ("oh my god", "shock"),
        ("????????", "shock"),
        ("Sadge", "sadness"),
        ("BibleThump BibleThump", "sadness"),
        ("this is bullshit", "anger"),
        ("<3 <3", "happiness"),
        ("someKLUL streamrLUL", "funny"),
        ("streamrHype", "excitement"),
        ("i had pasta for dinner", None),
        ("", None),
    ],
)
def test_a_message_has_the_emotion_people_mean_by_it(text: str, emotion: str | None) -> None:
    assert emotion_of(text) == emotion


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("hello everyone", "greeting"),
        ("hiiii", "greeting"),
        ("good night bye", "farewell"),
        ("!uptime", "command"),
        ("yes", "answer"),
        ("1", "answer"),
        ("yessss", "answer"),
        ("WWWWWWW", "answer"),
        ("what game is this?", "question"),
        ("@somebody i think so too", "mention"),
        ("7777777", "game"),
        ("50k on believers", "game"),
        ("thanks for the sub", "thanks"),
        ("NO WAY", "loud"),
        ("nooooooo", "loud"),
        ("what!!", "loud"),
    ],
)
def test_a_message_is_recognised_as_what_crowds_write(text: str, field: str) -> None:
    assert getattr(Reader().read(text), field) == 1.0


def test_answers_and_numbers_alone_are_no_reaction() -> None:
    # Given messages that chats write when they are asked something
    # When they are read
    readings = [Reader().read(text) for text in ("yes", "no", "1", "2", "W", "777777")]
    # Then none of them counts as a reaction
    assert [read.reaction for read in readings] == [0.0] * 6


def test_a_message_is_a_reaction_by_the_share_of_its_words_that_react() -> None:
    short = Reader().read("lol")
    long = Reader().read("lol i think the second boss of this game was much harder than this one here")
    assert short.reaction == 1.0
    assert 0 < long.reaction < 0.2


def test_stream_praise_is_not_read_as_an_insult() -> None:
    assert Reader().read("sick clutch").sentiment > 0.3
    assert Reader().read("not good").sentiment < 0 < Reader().read("good").sentiment


def test_only_a_channels_own_emotes_are_masked() -> None:
    assert is_channel_emote("streamrLaugh")
    assert not any(is_channel_emote(word) for word in ("monkaS", "catJAM", "LUL", "hello", "PogChamp", "iPhone" * 20))


def test_hostile_messages_are_read_in_bounded_time_and_size() -> None:
    # Given texts that are long, odd or empty of letters
    reader = Reader()
    hostile = ["a" * 500_000, "ha" * 200_000, "\u202e" * 5000, "x " * 100_000, "\0", "￿" * 100, "!", "@", "((((("]
    # When they are read, then every value stays within its range
    for text in hostile:
        read = reader.read(text)
        assert 0 <= read.reaction <= 1
        assert -1 <= read.sentiment <= 1
        assert read.tokens <= 60


def test_the_same_token_always_means_the_same() -> None:
    assert meaning("KEKW") == meaning("KEKW") == meaning("kekw")
