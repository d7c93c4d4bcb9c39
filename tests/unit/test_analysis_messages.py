"""What single messages are taken for."""

import pytest

from shared.emotions import EMOTIONS
from tests.unit.chat_phrases import CALM
from tests.unit.chat_reactions import REACTIONS
from workers.analysis.lexicon import is_channel_emote, meaning
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
        ("www", "funny"),
        ("wwwwww", "funny"),
        ("ههههه", "funny"),
        ("sksksk", "funny"),
        ("まじかwww", "funny"),
        ("뭐야ㅋㅋㅋ", "funny"),
        ("うおおお", "excitement"),
        ("жесть", "shock"),
        ("AAAAAAA", "shock"),
        ("DONT", "shock"),
        ("STOPPPP", "shock"),
        ("NOOOOOO", "shock"),
        ("NEEEEIN", "shock"),
        ("YESSSS", "excitement"),
        ("дааааа", "excitement"),
        ("LETS GOOOO", "excitement"),
        ("goat", "excitement"),
        ("that was insane", "excitement"),
        ("what a play", "excitement"),
        ("what", "shock"),
        ("WHAT IS THAT", "shock"),
        ("that is INSANE and i saw it coming", "excitement"),
        ("WW", "excitement"),
        ("GGGGGG", "excitement"),
        ("什么鬼", "shock"),
        ("trời ơi", "shock"),
        ("TROI OI", "shock"),
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
        ("that was yesterday", None),
        ("clean your room", None),
        ("the god of war game", None),
        ("lets go to the store tomorrow", None),
        ("what is that", None),
        ("the goat farm", None),
        ("I DONT CARE WHAT YOU WEAR TODAY", None),
        ("SMG 11 BRO", None),
        ("什么", None),
        ("什麼遊戲", None),
        ("昨日ここにあった", None),
        ("www.example.com", None),
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
        ("W", "answer"),
        ("L", "answer"),
        ("да", "answer"),
        ("what game is this?", "question"),
        ("@somebody i think so too", "mention"),
        ("50k on believers", "game"),
        ("thanks for the sub", "thanks"),
        ("NO WAY", "loud"),
        ("nooooooo", "loud"),
        ("what!!", "loud"),
    ],
)
def test_a_message_is_recognised_as_what_crowds_write(text: str, field: str) -> None:
    assert getattr(Reader().read(text), field) == 1.0


@pytest.mark.parametrize("text", ["yes", "no", "1", "2", "W", "L", "não", "нет", "ok"])
def test_plain_answers_are_no_reaction(text: str) -> None:
    read = Reader().read(text)
    assert (read.answer, read.reaction, read.shout) == (1.0, 0.0, 0.0)


@pytest.mark.parametrize("text", ["YESSSS", "NOOOOO", "nãoooo", "WWWWWW", "LLLLLL", "www", "kkkkkk"])
def test_stretched_answers_are_shouts(text: str) -> None:
    read = Reader().read(text)
    assert (read.answer, read.reaction) == (0.0, 1.0)
    assert read.shout > 0.5


@pytest.mark.parametrize("text", ["777777777777", "87", "8888", "003", "跳", "blorp", "ⵣⴰⵣⴰ"])
def test_what_no_list_knows_is_neither_a_game_nor_an_answer(text: str) -> None:
    read = Reader().read(text)
    assert not any((read.game, read.answer, read.command, read.greeting, read.farewell, read.thanks, read.question))


@pytest.mark.parametrize(
    "text",
    ["blorpblorp", "BLORP!!!", "zzzzqqqq", "7777777", "🦑🦑🦑", "BLORP IT", "гррррр", "ⵣⴰⵣⴰⵣⴰ", "ajskdjfkd", "878787"],
)
def test_made_up_shouts_are_told_by_their_shape(text: str) -> None:
    assert Reader().read(text).shout >= 0.7


@pytest.mark.parametrize(
    "text",
    [
        "i will be back at nine",
        "https://example.com/aaaaaaaa",
        "!playyyyyyy",
        "100000 people live there",
        "░░▓▓▓▓░░ ▓▓▓▓▓▓▓▓",
    ],
)
def test_talk_links_commands_and_pictures_are_no_shouts(text: str) -> None:
    assert Reader().read(text).shout < 0.3


def test_a_lone_unknown_word_carries_something_and_its_stretched_form_more() -> None:
    alone, in_talk, loud = (Reader().read(text).shout for text in ("blorp", "a blorp for the old well", "blooooorp"))
    assert 0 == in_talk < alone < loud


@pytest.mark.parametrize(
    "text",
    [
        "clip it", "CLIP THAT", "clip this pls", "someone clip that!!", "!clip", "CLIP", "clip clip clip", "clipped",
        "clipa", "faz clip disso", "clip bitte", "clippen", "clippez ça", "клипните", "клип", "クリップ", "클립",
        "剪辑",
        "剪輯", "klipleyin", "klip al", "คลิป",
    ],
)  # fmt: skip
def test_calls_for_a_clip_are_heard(text: str) -> None:
    read = Reader().read(text)
    assert read.clip == 1.0
    assert read.command == 0.0


@pytest.mark.parametrize(
    "text",
    [
        "clip farm", "clip farming again", "https://clips.twitch.tv/Abc clip", "clips?", "clip?", "nice clip",
        "the clip was good",
        "i watched a clip of this yesterday on the other channel", "!clips", "paper clip", "eclipse",
        "这个剪辑用的什么软件",
    ],
)  # fmt: skip
def test_talk_about_clips_is_no_call(text: str) -> None:
    assert Reader().read(text).clip == 0.0


def test_a_reader_tells_how_much_of_a_message_it_knows() -> None:
    # Given talk in a language that the lists hold, reactions, and words of none
    talk, reaction, none = (
        Reader().read(text).known
        for text in ("i think that was the best game of the year", "LUL", "blorp zab qurtel ⵣⴰⵣⴰ")
    )
    # Then the share of known words says so
    assert talk > 0.7
    assert reaction == 1.0
    assert none == 0.0


@pytest.mark.parametrize("language", REACTIONS)
def test_everyday_reactions_of_a_language_are_known(language: str) -> None:
    reader = Reader()
    unknown = [text for text in REACTIONS[language] if reader.read(text).reaction < 0.5]
    assert len(unknown) <= 0.15 * len(REACTIONS[language]), unknown


@pytest.mark.parametrize("language", CALM)
def test_calm_sentences_do_not_react(language: str) -> None:
    reader = Reader()
    reacting = [text for text in CALM[language] if reader.read(text).reaction > 0]
    assert len(reacting) <= 0.1 * len(CALM[language]), reacting


@pytest.mark.parametrize("language", CALM)
def test_a_lexicon_knows_something_of_calm_talk_in_its_languages(language: str) -> None:
    reader = Reader()
    assert sum(reader.read(text).known for text in CALM[language]) > 0.15 * len(CALM[language])


def test_a_crowds_word_in_a_long_message_makes_no_crowd() -> None:
    read = Reader().read("i missed that vote and the song before it because my train was late")
    assert not any((read.game, read.music, read.thanks, read.greeting))


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
