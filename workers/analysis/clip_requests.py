"""Whether a speaker asks for a clip of what just happened: "clip that", "did someone clip it", "that's a clip"."""

_VERBS = "clip clippt clipp clippen clipen clipea clippez clipez clippa clipa clipe clipem"
_OBJECTS = "it that this dat das es eso esto isso isto ça ca cela questo quello"
_CALLED = "someone somebody anyone everyone chat please pls bitte jemand alguien alguém quelqu'un qualcuno"
_ALONE = "clipealo clípealo clipenlo clipeenlo clippalo clipalo клипните клипни заклипайте заклипай заклипьте"
_INSIDE = ("クリップして", "クリップ撮", "클립따", "클립떠", "剪下来", "剪下來", "剪起來")
_MARKS = '.,!?。！？…"“”«»'
# "the clip that you sent" is talk about a clip, not a request for one.
_BEFORE_NOUN = """the a an my your his her its their our this that another every each no old last first
    el la un una le les um uma o il der die ein eine den"""

_VERB_SET, _OBJECT_SET, _CALLED_SET = frozenset(_VERBS.split()), frozenset(_OBJECTS.split()), frozenset(_CALLED.split())
_ALONE_SET, _NOUN_SET = frozenset(_ALONE.split()), frozenset(_BEFORE_NOUN.split())
_THAT_IS = (("that's", "a"), ("thats", "a"), ("that", "is", "a"), ("that", "was", "a"), ("it's", "a"))


def asks_for_clip(words: list[str], at: int) -> bool:
    """Whether the word at place `at` is such a request; words: some before it, and the one after it."""
    word = _plain(words[at])
    if word in _ALONE_SET or any(part in word for part in _INSIDE):
        return True
    if word not in _VERB_SET:
        return False
    before = tuple(_plain(one) for one in words[:at])
    if any(before[-len(known) :] == known for known in _THAT_IS):
        return True
    if before and before[-1] in _NOUN_SET:
        return False
    after = _plain(words[at + 1]) if at + 1 < len(words) else ""
    return after in _OBJECT_SET or (bool(before) and before[-1] in _CALLED_SET)


def _plain(word: str) -> str:
    return word.strip().strip(_MARKS).lower()
