"""What people say about highlights: a verdict, another title, other borders.

The files of a job hold what the analysis found and are never rewritten. What its owner said stands beside the job in
Redis (shared.redis.feedback), and every answer is made of both when it is asked for. So nothing can fall behind: there
is no moment at which an edit is kept but an export still shows the old title, and null brings back what was found.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import NamedTuple, TypedDict

from shared.highlight import Highlight

GOOD, BAD = "good", "bad"
_TIME_OF_LINK = re.compile(r"(?<=[?&]t=)\d+(?=s$)")


class Changes(TypedDict, total=False):
    """What is said anew about one highlight; null takes a thing back, what is left out stays."""

    verdict: str | None
    title: str | None
    start_seconds: float | None
    end_seconds: float | None


@dataclass(frozen=True, kw_only=True)
class Edit:
    """What was said about one highlight; None where nothing was. Seconds from the start of the recording."""

    verdict: str | None = None
    title: str | None = None
    start_seconds: float | None = None
    end_seconds: float | None = None

    def changed(self, changes: Changes) -> "Edit":
        """With these members said anew."""
        return replace(self, **changes)

    def dumps(self) -> str:
        """As JSON, only what was said."""
        return json.dumps({name: value for name, value in asdict(self).items() if value is not None})

    @classmethod
    def loads(cls, text: str) -> "Edit":
        """Out of JSON of `dumps`."""
        return cls(**json.loads(text))

    def applied(self, highlight: Highlight) -> Highlight:
        """The highlight of a result document as it is shown now."""
        said = {name: value for name, value in asdict(self).items() if value is not None}
        shown = replace(highlight, **{"verdict": None, **said})
        if self.start_seconds is not None and shown.watch_url:
            return replace(shown, watch_url=_TIME_OF_LINK.sub(str(int(self.start_seconds)), shown.watch_url))
        return shown


UNTOUCHED = Edit()


def edited(highlights: Iterable[Highlight], edits: Mapping[int, Edit]) -> list[Highlight]:
    """The highlights of a result document with what was said about each, by its rank."""
    return [edits.get(highlight.rank, UNTOUCHED).applied(highlight) for highlight in highlights]


class Verdict(NamedTuple):
    """One judged highlight. features: its value for each of `names`, what the score was made of."""

    good: bool
    names: tuple[str, ...]
    features: tuple[float, ...]


class Features(NamedTuple):
    """What one highlight's score was made of."""

    names: tuple[str, ...]
    values: tuple[float, ...]


def features_of(document: bytes, rank: int) -> Features | None:
    """The features of one highlight in features.json; None when it has none, as without chat."""
    found = json.loads(document)
    values = found["highlights"].get(str(rank))
    return Features(tuple(found["names"]), tuple(values)) if values is not None else None
