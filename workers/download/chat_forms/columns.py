"""Which column of a table, or which field of a flat record, is the time, the text and the name."""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

_PLAIN = re.compile(r"[^a-z0-9]+")
# The first that is there counts: a place in the recording before a moment in the world.
_TIMES = (
    *("contentoffsetseconds", "offsetseconds", "timeinseconds", "videooffsetseconds", "offset", "contentoffset"),
    *("videooffset", "videotime", "vodtime", "timetext", "timeoffset", "relativetime", "elapsed", "seconds", "secs"),
    *("sec", "second", "timesec", "timeseconds", "times", "timeseconds", "time", "timecode", "position", "start"),
    *("offsetms", "videooffsettimemsec", "timems", "milliseconds", "ms", "timestamp", "timestampms", "timestampusec"),
    *("ts", "datetime", "date", "createdat", "sentat", "publishedat", "utc", "unix", "epoch"),
    # German, French, Spanish, Portuguese, Italian; what is not a-z has been taken out.
    *("zeit", "sekunden", "sekunde", "zeitstempel", "uhrzeit", "zeitpunkt", "temps", "heure", "horodatage", "tiempo"),
    *("hora", "tempo", "ora", "datum", "fecha", "data"),
)
_TEXTS = (
    *("message", "messagetext", "messagebody", "messagecontent", "text", "body", "comment", "commenttext", "content"),
    *("msg", "chatmessage", "chat", "chattext"),
    *("nachricht", "kommentar", "inhalt", "commentaire", "texte", "mensaje", "comentario", "texto", "mensagem"),
    *("messaggio", "commento", "testo"),
)
_USERS = (
    *("user", "username", "userlogin", "login", "name", "author", "authorname", "nick", "nickname", "displayname"),
    *(
        "userdisplayname",
        "userdisplay",
        "commenter",
        "commentername",
        "sender",
        "sendername",
        "chatter",
        "viewer",
        "from",
    ),
    *(
        "benutzer",
        "benutzername",
        "nutzer",
        "nutzername",
        "autor",
        "absender",
        "utilisateur",
        "auteur",
        "pseudo",
        "nom",
    ),
    *("usuario", "nombre", "utente", "nome"),
)
_IDS = ("id", "messageid", "commentid", "msgid", "uuid")


class Columns(NamedTuple):
    """Indexes; None where there is no such column.  unit_s: seconds in one of the time column's units."""

    time: int
    text: int
    user: int | None = None
    id: int | None = None
    unit_s: float = 1.0


@lru_cache(maxsize=64)
def columns_of(names: tuple[str, ...]) -> Columns | None:
    """None when there is no time or no text among the names."""
    plain = [_PLAIN.sub("", name.lower()) for name in names]
    time = _first(plain, _TIMES)
    if time is None:
        time = next((index for index, name in enumerate(plain) if "time" in name or "offset" in name), None)
    text = _first(plain, _TEXTS)
    if text is None:
        text = next((index for index, name in enumerate(plain) if "message" in name or "comment" in name), None)
    if time is None or text is None or time == text:
        return None
    return Columns(time, text, _first(plain, _USERS), _first(plain, _IDS), _unit_s(plain[time]))


def guess(names: Sequence[str], time: int) -> Columns:
    """The columns of a table whose time was found by its values: what the names tell, else the text stands last.

    names: of the columns, or as many cells of a table without names.
    """
    plain = [_PLAIN.sub("", name.lower()) for name in names]
    last = len(plain) - 1 if time != len(plain) - 1 else len(plain) - 2
    text = _first(plain, _TEXTS)
    text = last if text is None or text == time else text
    user = _first(plain, _USERS)
    if user is None or user in (time, text):
        user = next((index for index in reversed(range(len(plain))) if index not in (time, text)), None)
    return Columns(time, text, user, unit_s=_unit_s(plain[time]))


def _first(plain: Sequence[str], wanted: Sequence[str]) -> int | None:
    return next((plain.index(name) for name in wanted if name in plain), None)


def _unit_s(name: str) -> float:
    """Names of Unix times say nothing: their size does."""
    if "timestamp" in name:
        return 1.0
    return 0.001 if name.endswith(("ms", "msec", "millis", "milliseconds")) and name != "times" else 1.0
