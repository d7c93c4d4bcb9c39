"""Foreign text made fit for a line of a file."""

# Kept though they don't print: they join letters and emoji.
_JOINERS = "\u200c\u200d"


def one_line(text: object) -> str:
    """`text` on one line, without characters that a file of text or XML can't hold or that turn its direction."""
    kept = (char for char in str(text) if char.isprintable() or char.isspace() or char in _JOINERS)
    return " ".join("".join(kept).split())
