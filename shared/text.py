"""Foreign text: whether it can be kept, and made fit for a line of a file."""

import unicodedata

# Kept though they don't print: they join letters and emoji.
_JOINERS = "\u200c\u200d"
# Control characters, and halves of characters, which can't be written as UTF-8.
_NOT_TEXT = frozenset({"Cc", "Cs"})


def is_plain(text: str) -> bool:
    """Whether it has no control characters and can be written as UTF-8."""
    return not any(unicodedata.category(letter) in _NOT_TEXT for letter in text)


def one_line(text: object) -> str:
    """`text` on one line, without characters that a file of text or XML can't hold or that turn its direction."""
    kept = (char for char in str(text) if char.isprintable() or char.isspace() or char in _JOINERS)
    return " ".join("".join(kept).split())
