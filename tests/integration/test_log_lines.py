"""What becomes of a line of the log on its way out."""

import json
import os
import subprocess
import sys

import pytest

from tests.conftest import ROOT

SCRIPT = """
import sys
from shared.log import configure_logging, logger
from shared.settings import settings
configure_logging(settings())
log = logger("test")
text = sys.argv[1]
log.debug("quiet", text=text)
log.info("told", text=text)
try:
    raise ValueError(text)
except ValueError:
    log.exception("caught")
"""
SECRETS = {
    "API_KEYS": "ann:sesame-of-ann-is-long",
    "DEEPGRAM_API_KEY": "sesame-of-deepgram",
    "REDIS_URL": "redis://:sesame-of-redis@127.0.0.1:1/0",
    "WEBHOOK_SECRET": "whsec_" + "c2VzYW1l" * 4,
}


def logged(text: str, **variables: str) -> list[dict[str, str]]:
    """The lines of a process of its own."""
    ran = subprocess.run(
        [sys.executable, "-c", SCRIPT, text],
        env={**os.environ, **SECRETS, **variables},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [json.loads(line) for line in ran.stderr.splitlines()]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("GET https://h.example/a/b.mp4?token=abc&x=1 failed", "GET https://h.example/a/b.mp4?*** failed"),
        ("Max retries exceeded with url: /x?sig=a%2Fb (Caused by", "Max retries exceeded with url: /x?*** (Caused by"),
        ("('/v1/listen?key=abc', 'x')", "('/v1/listen?***', 'x')"),
        ('{"url": "/hook?token=abc"}', '{"url": "/hook?***"}'),
        ("sent sesame-of-ann-is-long and sesame-of-deepgram", "sent *** and ***"),
        ("redis://:sesame-of-redis@127.0.0.1:1/0", "redis://:***@127.0.0.1:1/0"),
        ("whsec_" + "c2VzYW1l" * 4, "***"),
        ("is it so? a=b", "is it so? a=b"),
    ],
)
def test_what_gives_access_is_taken_out_of_data_and_traces(text: str, shown: str) -> None:
    told, caught = logged(text)

    assert (told["event"], told["text"]) == ("told", shown)
    assert caught["exception"].endswith(f"ValueError: {shown}")


def test_the_level_decides_what_is_told() -> None:
    assert [line["event"] for line in logged("x", LOG_LEVEL="debug")] == ["quiet", "told", "caught"]
    assert [line["event"] for line in logged("x", LOG_LEVEL="error")] == ["caught"]
