"""What the invented viewers write. No real names, no copied messages."""

# fmt: off
# Twitch's own emotes carry an id in a chat file; those of browser extensions (KEKW, Sadge, ...) are plain words.
TWITCH_EMOTES = {
    "Kappa": "25", "BibleThump": "86", "LUL": "425618", "PogChamp": "305954156", "NotLikeThis": "58765",
    "HeyGuys": "30259", "SeemsGood": "64138", "ResidentSleeper": "245", "VoHiYo": "81274", "WutFace": "28087",
}

FIRST_NAMES = (
    "amber", "brisk", "cloudy", "dapper", "early", "fuzzy", "gentle", "humble", "inky", "jolly", "kindly", "lunar",
    "mossy", "nimble", "opal", "plucky", "quiet", "rusty", "sleepy", "tidy", "upbeat", "velvet", "woolly", "zesty",
)

LAST_NAMES = (
    "acorn", "badger", "candle", "dumpling", "ember", "fern", "gecko", "hatbox", "icicle", "jigsaw", "kettle",
    "lantern", "mitten", "noodle", "otter", "pebble", "quilt", "radish", "saddle", "teapot", "umbrella", "vole",
    "walnut", "yarn",
)

OPENERS = (
    "hi", "hello", "hey", "hiii", "first", "FIRST", "hello chat", "hi chat", "HeyGuys", "HeyGuys HeyGuys", "o/",
    "yo", "hey everyone", "hello from work", "good evening", "evening all", "here early for once", "VoHiYo",
    "we are live", "hi streamer", "yooo", "sup chat", "777", "7777777", "hello hello", "made it", "7", "LIVE",
    "hi duck", "heyo",
)

FAREWELLS = (
    "bye", "bye bye", "good night", "gn", "gn chat", "cya", "see you tomorrow", "thanks for the stream",
    "night all", "bye everyone", "goodbye", "thank you for streaming", "take care", "ty for the stream", "gn gn",
    "see ya", "sleep well", "bye chat", "o/", "HeyGuys bye", "<3", "later", "cya next time", "<3 <3", "good stream",
)

SMALL_TALK = (
    "what game is this", "the music is nice", "is this on console too", "how long is the game", "I like the boat",
    "what did I miss", "just got here", "back from the kitchen", "the art is pretty", "anyone else having tea",
    "my cat is watching with me", "how many chapters are there", "I played the first one",
    "is there fishing in this", "the volume is good today", "what is the duck called",
    "soup is always a good dinner", "I had pasta", "can you turn the game up a little", "it is raining here",
    "same here", "that map is useless", "you can buy a better map later", "does the boat have an upgrade",
    "who made this game", "I need this as a wallpaper", "nice colors", "Kappa", "sure Kappa", "the trees look good",
    "ok that is fair", "true", "yeah", "maybe", "I agree", "wait really", "interesting",
    "I would go to the village first", "check the bag", "you forgot the rope", "did you save", "save often",
    "what week is it even", "I have work in an hour", "lurking from the bus", "is the castle the end",
    "I think there is a second river", "the fog is cool", "good question", "not yet", "depends",
    "he said it earlier", "two more villages I think", "I love this part", "cozy stream", "so cozy",
    "what keyboard is that", "do you use a controller", "the lamp behind you is cute", "new chair?", "nice chair",
    "can the duck swim", "give the duck some bread", "bread for the duck", "hat shop next?", "haha ok", "lol",
    "ResidentSleeper", "it gets harder later", "no spoilers please", "that was not a spoiler", "SeemsGood",
    "good point", "how was your week", "mine was long", "weekend soon", "greetings from the train",
    "my internet is slow today", "is it lagging for anyone else", "fine for me", "refresh helps",
    "what time is it there", "late here",
)

FUNNY = (
    "LUL", "LUL LUL", "LUL LUL LUL", "KEKW", "KEKW KEKW", "KEKW KEKW KEKW", "OMEGALUL", "OMEGALUL OMEGALUL", "lmao",
    "LMAO", "lmaooo", "LMAOOOO", "hahaha", "HAHAHAHA", "hahahahaha", "the goat KEKW", "THE GOAT LUL",
    "goat 1 hero 0", "like a true professional KEKW", "professional LUL", "I can't breathe lmao", "LOL",
    "lol the splash", "xD", "potatoes OMEGALUL", "yeeted LUL", "get goated KEKW", "so graceful LUL",
    "im crying hahaha", "ICANT KEKW", "clip that LUL", "that face KEKW",
)

HYPE = (
    "PogChamp", "PogChamp PogChamp", "PogChamp PogChamp PogChamp", "Pog", "POG", "POGGERS", "Pog Pog Pog",
    "LETS GO", "LETS GOOO", "LETSGOOOOO", "LET'S GOOOOOO", "NO WAY", "no way", "NO WAYYY", "HOLY", "OMG",
    "OH MY GOD", "WHAT A HIT", "CLIP IT", "CLIP THAT", "clip it!!", "HE DID IT", "HE DID IT PogChamp",
    "monkaS to PogChamp", "INSANE", "insane!!", "CLUTCH", "what a clutch Pog", "WOOO", "YEEEES", "YES!!!", "GG",
    "gg!!!", "!!!!!!!", "zero health Pog", "unreal",
)

SAD = (
    "PepeHands", "PepeHands PepeHands", "BibleThump", "BibleThump BibleThump", "BibleThump BibleThump BibleThump",
    "Sadge", "Sadge Sadge", "NOOOO", "NOOOOOOO", "NOOOOOOOOOO", "nooo not the duck", "NOT THE DUCK", "rip", "RIP",
    "rip duck", "RIP duck PepeHands", "F", "F", "F F F", "FFFFF", "F for the duck", "poor duck",
    "poor duck BibleThump", "the duck Sadge", "why PepeHands", "I'm crying", "this is so sad", "so sad BibleThump",
    "she was so brave Sadge", "goodbye duck PepeHands", "my heart", "don't cry", "NotLikeThis", ":(", ";(",
)

VOTES = (
    "north", "north", "north", "NORTH", "N", "n", "north please", "north side", "south", "south", "SOUTH", "S", "s",
    "south!", "north or riot", "south always",
)

RAIDERS = (
    "raid!", "RAID", "hello from the raid", "raid raid raid", "hi from the raid", "raiders here", "HeyGuys raid",
    "we come in peace", "hello new people", "RAID HeyGuys", "hi hi", "where are we", "oh a boat game", "raid <3",
    "welcome raiders", "welcome in", "hello raiders VoHiYo",
)

PASTE = (
    "I rowed all day, I rowed all night, I never found the castle light, but I still have this bread and it is alright"
)
SPAM = ("check my boat drawing in the art channel pls", "check my boat drawing pls", "boat drawing in the art channel")
COMMANDS = {
    "!uptime": "@{name} the stream has been live for {minutes} minutes.",
    "!song": "@{name} the music comes from the game itself.",
    "!discord": "@{name} the invitation is in the panel below the stream.",
    "!lurk": "@{name} is lurking now. Enjoy!",
    "!game": "@{name} the game tonight is Duck River.",
    "!commands": "@{name} !uptime !song !discord !lurk !game",
}
