"""Comments as Twitch's GraphQL gives them: nodes, edges around nodes (yt-dlp, twitch-dl, scripts of one's own)."""

from workers.download.chat_forms.clean import name
from workers.download.chat_forms.clean import number as number_of
from workers.download.chat_forms.entry import Entry
from workers.download.chat_pages import MAX_TEXT, comment_of

NAME = "Twitch's GraphQL comments"


def matches(record: dict[str, object]) -> bool:
    """Whether the record is a comment of Twitch's GraphQL, or an edge with one."""
    node = record.get("node")
    return "contentOffsetSeconds" in record or (isinstance(node, dict) and "contentOffsetSeconds" in node)


def entry(record: dict[str, object], number: int) -> Entry | None:
    """The comment of a node or an edge, None when it is none. `number`: stands in for a missing id."""
    node = record.get("node") if "node" in record else record
    if not isinstance(node, dict) or (at_s := number_of(node.get("contentOffsetSeconds"))) is None:
        return None
    found = comment_of({**node, "id": name(node.get("id")) or f"n{number}", "contentOffsetSeconds": 0})
    return found and Entry(found._replace(offset_seconds=at_s), cut=len(found.text) >= MAX_TEXT)
