"""Texts out of a few. Each kind is a component of the OpenAPI document, so that clients get one type for it."""

from collections.abc import Iterable
from enum import StrEnum

from marshmallow import fields, missing, validate

from web.languages import LANGUAGES

VIDEO_FETCHED = ("clips", "full", "none")
TRANSCRIBERS = ("auto", "deepgram", "whisper", "none")
SPOKEN = ("auto", *sorted(LANGUAGES))
CLIP_CHOICES = ({"type": "boolean"}, {"title": "ClipShape", "type": "string", "enum": ["vertical"]})


class Choice(fields.String):
    """One of these texts. kind: what the document calls them."""

    def __init__(
        self,
        kind: str,
        choices: Iterable[str] | type[StrEnum],
        *,
        required: bool = False,
        allow_none: bool = False,
        load_default: str | None = missing,  # type: ignore[assignment] # marshmallow's own mark
        description: str = "",
        error: str | None = None,
    ) -> None:
        self.kind, self.choices = kind, [str(choice) for choice in choices]
        super().__init__(
            required=required,
            allow_none=allow_none,
            load_default=load_default,
            validate=validate.OneOf(self.choices, error=error),
            metadata={"description": description} if description else {},
        )
