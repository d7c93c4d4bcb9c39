"""What the invented streamer says, how, and where the three moments are."""

from typing import NamedTuple


class Mood(NamedTuple):
    """pace: length of the speech against normal.  gain_db: loudness against calm speech.  pitch: factor."""

    pace: float
    gain_db: float
    pitch: float


CALM = Mood(1.0, 0.0, 1.0)
TENSE = Mood(0.97, 1.5, 1.02)
LOUD = Mood(0.9, 5.0, 1.07)
SAD = Mood(1.12, -1.0, 0.96)


class Line(NamedTuple):
    """One piece of speech.

    pause_s: silence before it.  scene: the picture while it is spoken.  cue: a name for its start, for sound, picture
    and chat.  event: what happens `EVENT_AFTER_S` after its end, in the pause before the next line.
    """

    text: str
    mood: Mood = CALM
    pause_s: float = 0.45
    scene: str = ""  # empty: as before
    cue: str = ""
    event: str = ""


EVENT_AFTER_S = 0.35


class Moment(NamedTuple):
    """A moment a person would clip: from the start of the line with `first_cue` to the end of that with `last_cue`."""

    name: str
    emotion: str
    first_cue: str
    event: str
    last_cue: str
    what: str


MOMENTS = (
    Moment(
        "goat", "funny", "goat", "splash", "goat_end", "A goat pushes the streamer's hero off a bridge into the river."
    ),
    Moment("giant", "excitement", "giant", "explosion", "giant_end", "The giant is beaten with no health left."),
    Moment("duck", "sadness", "duck", "collapse", "duck_end", "The bridge falls and takes the little duck with it."),
)

LINES = (
    Line("Hello everyone, and welcome back to the stream.", pause_s=1.8, scene="river", cue="hello"),
    Line("I hope you all had a good week."),
    Line("Today we are playing a game about a small boat, a long river, and a very brave little duck."),
    Line(
        "The goal is simple. We travel down the river, we help people in the villages, and we try to reach the castle."
    ),
    Line("I played a little bit last night, and the music was so nice that I almost fell asleep."),
    Line("We have some food, some rope, and a map that makes no sense."),
    Line("The duck follows us everywhere, and I love this duck.", scene="meadow"),
    Line("There is a goat on that bridge over there."),
    # --- funny ---
    Line("Watch this. I am going to walk past this goat like a true professional.", TENSE, 1.7, "", "goat", "splash"),
    Line("What? The goat just pushed me into the river!", LOUD, 2.3),
    Line("I was so calm, and it threw me off the bridge like a sack of potatoes!", LOUD, 1.1, cue="goat_end"),
    # --- calm, one viewer's spam, the poll ---
    Line("Please let me breathe for a moment.", pause_s=2.6, cue="after_goat"),
    Line("My hat is gone, my boots are wet, and the goat is still looking at me."),
    Line("Let us go back to the boat and keep moving.", scene="river", cue="spam"),
    Line("If you are new here, I stream every evening, and I answer questions while we travel."),
    Line("Somebody asked what I had for dinner. It was soup, and it was fine."),
    Line("Quick vote, everyone. The river splits here.", pause_s=1.0, scene="fork", cue="poll"),
    Line("Should we go north or south? Please type your answer in the chat.", cue="vote"),
    Line("I will give you some time to think about it.", pause_s=1.2),
    Line("It looks close, but I think north wins, so north it is.", pause_s=4.0, cue="poll_end"),
    Line("It is very quiet on this side. There are a lot of trees, and I can hear birds."),
    Line("That tower must be where the big fight is.", pause_s=0.8, scene="tower"),
    Line("I have almost no health left, and the giant looks very angry."),
    # --- excitement ---
    Line("One more hit. I only need one more hit. Here it comes. Jump now!", TENSE, 1.8, "", "giant", "explosion"),
    Line("Yes! Yes! We did it! We beat the giant with no health left!", LOUD, 1.9),
    Line("That was the best fight I have ever played! My hands are shaking!", LOUD, 0.8, cue="giant_end"),
    # --- calm, a copy-paste wave, a raid ---
    Line("Now let me sit down again.", pause_s=3.0, scene="camp", cue="after_giant"),
    Line("We found a key, a warm coat, and a small bag of gold."),
    Line("The coat is too big for me, but the duck seems to like it."),
    Line("From here we can already see the lights of the castle.", cue="paste"),
    Line("We only have to cross one old bridge, and then we are almost home."),
    Line("I will do some shopping first. We need bread, some candles, and a new hat.", scene="market", cue="market"),
    Line("Oh, thank you for the raid. Welcome, everyone. Please take a seat.", pause_s=2.2, cue="raid"),
    Line("We are playing a calm game about a boat, and the evening has been very long already."),
    Line("The shop is closed, so we will have to go without bread and without a hat."),
    Line("It is getting dark, so let us move on."),
    # --- sadness ---
    Line(
        "Come here, little duck, stay close to me. We are crossing the bridge now.",
        TENSE,
        1.9,
        "night",
        "duck",
        "collapse",
    ),
    Line("No! No, the bridge is falling! The duck fell into the water!", LOUD, 2.0),
    Line("She is gone. I am so sorry, little friend. I could not save you.", SAD, 0.9, cue="duck_end"),
    # --- the end ---
    Line("I need a minute after that.", SAD, 3.2, cue="after_duck"),
    Line("I think we will stop here for tonight.", pause_s=1.2, scene="castle"),
    Line("Tomorrow we will look for her further down the river, because I am not giving up.", cue="farewell"),
    Line("Thank you all for watching, and thank you for being so kind."),
    Line("Sleep well, be good to each other, and I will see you next time. Goodbye.", cue="goodbye"),
)
TAIL_S = 4.5  # after the last word
