"""Reading a request's body."""

import pytest

from shared.errors import MalformedRequest
from web.blueprints import flat
from web.request_body import parse_object


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b'{"a": 1} x', "not JSON"),
        (b'{"a": NaN}', "NaN is not a JSON number"),
        (b'{"a": -Infinity}', "-Infinity is not a JSON number"),
        (b'{"a": 1, "a": 2}', "a field is given twice"),
        (b'{"a": {"b": 1, "b": 1}}', "a field is given twice"),
        (b'{"a": ' + b"9" * 5000 + b"}", "not JSON"),
        (b"[" * 60_000, "nested too deeply"),
        (b"\xff\xfe{\x00}\x00", "not UTF-8"),
        (b'{"a": "\xff"}', "not UTF-8"),
        (b"[]", "must be a JSON object"),
        (b'"text"', "must be a JSON object"),
        (b"null", "must be a JSON object"),
    ],
)
def test_an_unclear_body_is_refused_with_the_reason(body: bytes, reason: str) -> None:
    with pytest.raises(MalformedRequest, match=reason):
        parse_object(body)


def test_an_object_is_read_as_it_is() -> None:
    assert parse_object('{"url": "file:ä.mp4", "options": {"highlights": 3}}'.encode()) == {
        "url": "file:ä.mp4",
        "options": {"highlights": 3},
    }


def test_nested_messages_get_dotted_names() -> None:
    messages = {"url": ["Missing."], "options": {"clips": ["Wrong."], "_schema": ["Odd."]}}

    assert flat(messages) == {"url": ["Missing."], "options.clips": ["Wrong."], "options": ["Odd."]}
