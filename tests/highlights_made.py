"""Highlights as the analysis finds them."""

from shared.highlight import Highlight

SIGNALS = {"chat_rate": 5.0}


def highlight(rank: int, start_s: float, end_s: float, title: str = "Moment", **members: object) -> Highlight:
    """One that was found, not cut; its moment in the middle unless `members` say otherwise."""
    found = {
        "rank": rank, "start_seconds": start_s, "end_seconds": end_s, "peak_seconds": (start_s + end_s) / 2,
        "score": 0.5, "emotion": "funny", "title": title, "reasons": ["Chat 6.2 times its usual rate."],
        "transcript": "words, here", "chat_sample": ["LUL", "=cmd()"], "signals": SIGNALS,
    }  # fmt: skip
    return Highlight.of(found | members)
