"""The text pairs that a submission may bring."""

from collections.abc import Mapping

from marshmallow import ValidationError, fields

from shared.text import is_plain

MAX_PAIRS = 20
MAX_KEY = 40
MAX_VALUE = 500
METADATA_IS = (
    f"Your own text pairs, up to {MAX_PAIRS}: keys of up to {MAX_KEY} characters without a colon, values of up to "
    f"{MAX_VALUE}. Given back in the job, its events, results and webhooks; jobs can be listed by them."
)
METADATA_EXAMPLE = {"episode": "42", "team": "clips"}


class Metadata(fields.Dict):
    """Text by text. Strict: numbers are no texts."""

    def __init__(self, **options: object) -> None:
        super().__init__(
            keys=fields.String(),
            values=fields.String(),
            metadata={"description": METADATA_IS, "maxProperties": MAX_PAIRS, "example": METADATA_EXAMPLE},
            **options,  # type: ignore[arg-type] # marshmallow's own
        )

    def _deserialize(
        self, value: object, attr: str | None, data: Mapping[str, object] | None, **kwargs: object
    ) -> dict[str, str]:
        if not isinstance(value, Mapping):
            raise self.make_error("invalid", input=value)
        if len(value) > MAX_PAIRS:
            raise ValidationError(f"Must have at most {MAX_PAIRS} pairs.")
        for name, text in value.items():
            check_key(name)
            check_value(text)
        return dict(value)


def check_key(name: object) -> None:
    """Raises ValidationError."""
    if not isinstance(name, str) or not 1 <= len(name) <= MAX_KEY or ":" in name or not is_plain(name):
        raise ValidationError(f"A key must be text of 1 to {MAX_KEY} characters, without colon or control characters.")


def check_value(text: object) -> None:
    """Raises ValidationError."""
    if not isinstance(text, str) or len(text) > MAX_VALUE or not is_plain(text):
        raise ValidationError(f"A value must be text of at most {MAX_VALUE} characters, without control characters.")
