"""Pages of a VOD's chat from Twitch's GraphQL, and the comments on them. Everything in them is hostile."""

import re
from typing import NamedTuple

from shared.errors import ChatUnavailable, ExternalServiceError, PermissionDenied
from workers.chatlog import Comment, Emote
from workers.download.graphql import UNKNOWN_QUERY, CallRefused, Graphql
from workers.download.json_members import child

COMMENTS_HASH = "b70a3591ff0f4e0313d126c6a1502d79a1c02baebb288227c582044aa76adf6a"
# The client id of Twitch's own players: unlike the web client's it may page by cursor without an integrity token.
CURSOR_CLIENT_ID = "kd1unb4b3q4t58fwlpcbzcbnm76a8fp"
REFUSED = "Twitch refuses to give out this chat."
MAX_TEXT = 2000  # characters; Twitch itself allows 500
MAX_NAME = 100
MAX_EDGES = 1000
MAX_FRAGMENTS = 500
MAX_BADGES = 32
MAX_OFFSET_S = 7 * 24 * 3600.0

# Cheers are words such as "Cheer100". The names are Twitch's own cheermotes, as listed by TwitchDownloader (MIT).
_CHEER = re.compile(
    r"(?:^|(?<=\s))(?:4Head|Anon|BibleThumb|BitBoss|bday|Cheer|Charity|Corgo|cheerwal|DansGame|DoodleCheer|EleGiggle"
    r"|FrankerZ|FailFish|Goal|HeyGuys|HolidayCheer|Kappa|Kreygasm|MrDestructoid|Muxy|NotLikeThis|Party|Pride|PJSalt"
    r"|RIPCheer|Scoops|ShowLove|Shamrock|SeemsGood|SwiftRage|Streamlabs|TriHard|uni|VoHiYo)([1-9][0-9]{0,6})(?=\s|$)",
    re.IGNORECASE,
)


class Position(NamedTuple):
    """Where a page begins: behind a comment (cursor), or about at a second of the recording."""

    offset_s: int
    cursor: str | None = None


class Page(NamedTuple):
    """cursor: leads to the next page, None where only offsets do.  more: whether there is one."""

    comments: tuple[Comment, ...]
    cursor: str | None
    more: bool


class NoComments(ExternalServiceError):
    """Twitch answered without comments, which it does now and then and for chats that are switched off."""

    def __init__(self) -> None:
        super().__init__("Twitch answered without any chat; it may be switched off.")


class CursorRefused(ExternalServiceError):
    """Twitch does not let this client page by cursor."""

    retryable = False


class ChatPages:
    """Fetches pages of one video's chat; shared by threads."""

    def __init__(self, graphql: Graphql, video_id: str) -> None:
        self._graphql = graphql
        self._video_id = video_id
        self._client_id: str | None = None  # None: the configured one

    def get(self, at: Position) -> Page:
        """One page.

        Raises CursorRefused, NoComments, ChatUnavailable (the video is not known, or no client may ask), and what else
        `Graphql.call` raises.
        """
        used = self._client_id
        try:
            return self._get(at, used)
        except CallRefused as error:
            if error.message == UNKNOWN_QUERY:
                raise ChatUnavailable("Twitch does not know this way of asking for chat any more.") from error
            if used == CURSOR_CLIENT_ID and at.cursor is not None:
                raise CursorRefused from error
            if used == CURSOR_CLIENT_ID:
                raise ChatUnavailable(REFUSED) from error
        self._client_id = CURSOR_CLIENT_ID
        return self.get(at)

    def _get(self, at: Position, client_id: str | None) -> Page:
        variables: dict[str, object] = {"videoID": self._video_id}
        variables |= {"cursor": at.cursor} if at.cursor else {"contentOffsetSeconds": at.offset_s}
        query = {"version": 1, "sha256Hash": COMMENTS_HASH}
        body = {
            "operationName": "VideoCommentsByOffsetOrCursor",
            "variables": variables,
            "extensions": {"persistedQuery": query},
        }
        try:
            data = self._graphql.call(body, client_id=client_id)
        except PermissionDenied as error:
            raise ChatUnavailable(REFUSED) from error
        if data.get("video", 0) is None:
            raise ChatUnavailable("The video and its chat are gone.")
        return _page(child(data, "video", "comments"))


def _page(found: object) -> Page:
    edges = child(found, "edges")
    if not isinstance(edges, list):
        raise NoComments
    comments = []
    cursor = None
    for edge in edges[:MAX_EDGES]:
        cursor = child(edge, "cursor") or cursor
        comment = comment_of(child(edge, "node"))
        if comment is not None:
            comments.append(comment)
    more = child(found, "pageInfo", "hasNextPage") is True
    return Page(tuple(comments), cursor if isinstance(cursor, str) and len(cursor) <= 4096 else None, more)


def comment_of(node: object) -> Comment | None:
    """The comment of a GraphQL node; None when the node is null or has no id or no place."""
    identity, offset = child(node, "id"), child(node, "contentOffsetSeconds")
    if not isinstance(identity, str) or not identity or isinstance(offset, bool) or not isinstance(offset, int | float):
        return None
    if not -MAX_OFFSET_S <= offset <= MAX_OFFSET_S:
        return None
    login = child(node, "commenter", "login")
    text, emotes = _text_and_emotes(child(node, "message", "fragments"))
    return Comment(
        id=identity[:MAX_NAME],
        offset_seconds=round(max(0.0, float(offset)), 3),
        user=_clean(login)[:MAX_NAME] if isinstance(login, str) and login else None,
        text=text,
        emotes=emotes,
        badges=_badges(child(node, "message", "userBadges")),
        bits=sum(int(match[1]) for match in _CHEER.finditer(text)),
    )


def _text_and_emotes(fragments: object) -> tuple[str, tuple[Emote, ...]]:
    parts: list[str] = []
    emotes: list[Emote] = []
    for fragment in fragments[:MAX_FRAGMENTS] if isinstance(fragments, list) else ():
        text, emote = child(fragment, "text"), child(fragment, "emote", "emoteID")
        if isinstance(text, str):
            parts.append(_clean(text))
            if isinstance(emote, str) and emote:
                emotes.append(Emote(_clean(emote)[:MAX_NAME], _clean(text).strip()[:MAX_NAME]))
    return "".join(parts)[:MAX_TEXT].strip(), tuple(emotes)


def _badges(badges: object) -> tuple[str, ...]:
    names = (child(badge, "setID") for badge in badges[:MAX_BADGES]) if isinstance(badges, list) else ()
    return tuple(_clean(name)[:MAX_NAME] for name in names if isinstance(name, str) and name)


def _clean(text: str) -> str:
    """Half surrogate pairs can't be written as UTF-8."""
    return text.encode("utf-8", errors="replace").decode("utf-8")
