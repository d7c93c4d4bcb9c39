"""What the shape of a token tells in any language: laughs, screams, stretching, repetition, emoji."""

import re
import unicodedata

_ACCENTED = re.compile(r"[À-ۿ܀-ݿḀ-῿̀-ͯ]+")
_PLAIN = str.maketrans(
    {"ß": "ss", "ł": "l", "ø": "o", "đ": "d", "ı": "i", "æ": "ae", "œ": "oe", "ة": "ه", "ى": "ي", "ـ": ""}
)
_WIDE = re.compile(r"[！-￯]")
_FOLDABLE = re.compile(rf"{_ACCENTED.pattern}|{_WIDE.pattern}")
_RUNS = re.compile(r"(.)\1+")

_FUNNY = (
    r"[a-z]?a*(?:h+[aeiu]+){2,}h*|(?:[aeiu]+h+){2,}[aeiu]*|[aeiu]*(?:j+[aeiu]+){2,}j*|(?:[aeiu]+j+){2,}[aeiu]*"
    r"|(?=(?:.*[hj]){2})(?=(?:.*a){2})[hjasd]{6,}|(?=(?:.*h){2})(?=.*u)(?=.*e)[hue]{5,}"
    r"|(?=(?:.*х){2})(?=.*[аеи])[ахпвеи]{4,}|(?=(?:.*χ){2})[χαε]{4,}"
    r"|(?=(?:.*w){2})(?=(?:.*k){2})[wkaoe]{4,}|k{3,}|w{2,}|h{3,}|(?:l+[oeu]+){2,}l*z?|x+d{2,}|x{2,}d+"
    r"|(?:rs){2,}|s?(?:ks){2,}k?|(?:s+[jh]+){2,}s*|(?:j+s+){2,}j*|(?:as+d+){2,}[asd]*|(?:qwe){2,}|(?:k+d+){3,}|(?:m+d+r+)+"
    r"|5{3,}|23{2,}|[ㅋㅎ]{2,}|[哈呵嘿嘻]{2,}|草+|ه{3,}|خ{3,}|ח{3,}|ฮ่?า+ๆ*|[:;=x]['o^-]?(?:d{2,}|[)\]]{3,})|\){2,}"
)
_FUNNY_INSIDE = r"ㅋ{2,}|ㅎ{2,}|哈{3,}|ه{4,}|[぀-ヿ一-鿿ー]w+\Z|[฀-๿]5{3,}\Z|\(笑\)|（笑）"
_SCREAM = (
    r"[hy]?(?:a{3,}|e{4,}|i{4,}|o{4,}|u{4,}|y{4,}|а{3,}|о{4,}|у{3,}|ы{4,}|э{3,}|е{4,}|и{4,})[hgrхe]*"
    r"|h?[aeou]{2,}h{3,}|[あぁァア]{3,}[ーっッ]*|うわ[あぁー]+|ぎゃ[あぁー]+|[아악]{3,}|으?악+|꺄+[아악]*|으아+악?|ا{3,}|א{3,}"
)
_CHEER = (
    r"6{3,}|8{3,}|う?[おぉオォ]{3,}[ーっッ]*|うお[おぉー]+|おお[ーっッ]+|(?:우?와){2,}|우?와아+|오{3,}"
    r"|wo{3,}|yo{3,}|g{3,}"
)
_SAD = r"[ㅠㅜ]{1,}|[:;=]['-]?\(+|\({2,}|t_+t|q{2,}|;_+;|[呜嗚]{2,}"
_WHOLE = re.compile(rf"(?:(?P<funny>{_FUNNY})|(?P<excitement>{_CHEER})|(?P<shock>{_SCREAM})|(?P<sadness>{_SAD}))\Z")
_INSIDE = re.compile(rf"(?P<funny>{_FUNNY_INSIDE})|(?P<sadness>[ㅠㅜ]{{2,}})")

_EMOJI = "\U0001f000-\U0001faff☀-➿⭐⭕‼⁉❤"
_EMOJI_ONLY = re.compile(rf"[{_EMOJI}\ufe0f\u200d]+\Z")
_JOINERS = re.compile("[\ufe0f\u200d\U0001f3fb-\U0001f3ff♀♂]")
_RUN_OF_3 = re.compile(r"([^\W_])\1\1")
_RUN_OF_4 = re.compile(r"([^\W_])\1{3}")
_ONE_DIGIT = re.compile(r"(\d)\1\1+\Z")
_UNITS = re.compile(r"(.{2,4}?)\1\1+\Z|(.{3,8}?)\2\Z", re.DOTALL)
_MASH = re.compile(r"(?=[asdfghjkl;]{6,}\Z)(?!(.)\1+\Z).*[sdfghjkl]{4}")
_SHORTEST_REPEATED = 6
_SPARE_SIGNS = 3
_MARKS = re.compile(r"[!?！？]{2,}\Z")
_LINK = re.compile(r"(?:https?:)?//|www\.|[\w-]{2,}\.(?:com|tv|net|org|gg|io|be|me|ly|co)(?:/|\Z)", re.IGNORECASE)


def fold(token: str) -> str:
    """`token` in lower case, full-width signs as plain ones, without accents and apostrophes.

    Kana, Hangul and Thai are left whole: their marks are sounds of their own.
    """
    lower = token.lower().replace("'", "").replace("’", "")
    if lower.isascii() or not _FOLDABLE.search(lower):
        return lower
    if _WIDE.search(lower):
        lower = unicodedata.normalize("NFKC", lower).lower()
    return _ACCENTED.sub(_without_marks, lower).translate(_PLAIN)


def _without_marks(match: re.Match[str]) -> str:
    return "".join(c for c in unicodedata.normalize("NFD", match.group()) if unicodedata.category(c) != "Mn")


def squeeze(token: str) -> str:
    """`token` with every run of one character cut to one."""
    return _RUNS.sub(r"\1", token)


def emotion_by_shape(token: str, folded: str) -> str | None:
    """The emotion of laughter, screams and cheers, whatever their length. token: as written.  folded: see `fold`."""
    # Few different signs for its length: what else can be no laugh, and most words end here.
    few = 2 * len(set(folded)) <= len(folded) + _SPARE_SIGNS
    whole = _WHOLE.match(folded) if few else None
    if whole:
        # Small letters w in a row are laughter, capital ones are wins.
        return "excitement" if token[0] == "W" and not folded.strip("w") else whole.lastgroup
    if folded.isascii():
        return "funny" if _MASH.match(folded) else None
    inside = _INSIDE.search(folded)
    return inside.lastgroup if inside else None


def is_emoji(token: str) -> bool:
    """Whether the word is made of emoji alone."""
    return _EMOJI_ONLY.match(token) is not None


def without_joiners(token: str) -> str:
    """Emoji without skin tones, genders and the signs that join them."""
    return _JOINERS.sub("", token) or token


def is_link(token: str) -> bool:
    """Whether the word is an address."""
    return ("." in token or "//" in token) and _LINK.match(token) is not None


def is_stretched(folded: str) -> bool:
    """Whether a letter is written three times or more in a row; digits are not letters."""
    # Most words have no letter three times: counting the different ones is quicker than looking for runs.
    run = _RUN_OF_3.search(folded) if len(set(folded)) + 2 <= len(folded) else None
    return run is not None and not run.group(1).isdecimal()


def shout(token: str, folded: str) -> float:
    """How far `token` is a shout by its shape alone, 0-1: repetition, letter mash, emoji, marks."""
    if is_emoji(token):
        return 1.0 if len(without_joiners(token)) >= 3 else 0.7
    bare = folded.strip("!?.,")
    if not any(map(str.isalnum, bare)):
        return 0.7 if _MARKS.search(token) else 0.0
    repeats = len(set(bare)) < len(bare)
    if repeats and (_ONE_DIGIT.match(bare) or (not bare.isdecimal() and _RUN_OF_4.search(bare))):
        return 1.0
    if len(bare) >= _SHORTEST_REPEATED and ((repeats and _UNITS.match(bare)) or _MASH.match(bare)):
        return 1.0
    if _MARKS.search(token):
        return 0.7
    return 0.6 if repeats and is_stretched(bare) else 0.3 if token[-1] in "!！" and bare else 0.0
