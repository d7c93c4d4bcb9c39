"""Addresses without what gives access."""

import pytest

from shared.redaction import without_secrets


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://hooks.example/klip/done", "https://hooks.example/klip/done"),
        ("https://hooks.example:8443/a?token=s3cret&x=", "https://hooks.example:8443/a?token=***&***"),
        ("https://hooks.example/a?s3cret", "https://hooks.example/a?***"),
        ("https://me:s3cret@hooks.example/a#s3cret", "https://***@hooks.example/a"),
        ("https://s3cret@hooks.example", "https://***@hooks.example"),
        (
            "https://hooks.slack.example/services/T0AB/B0CD/XXXX1234yyyyZZZZ5678aaaa",
            "https://hooks.slack.example/services/T0AB/B0CD/***",
        ),
        ("https://hooks.example/highlights-finished-for-us", "https://hooks.example/highlights-finished-for-us"),
    ],
)
def test_what_gives_access_is_hidden(url: str, shown: str) -> None:
    assert without_secrets(url) == shown
