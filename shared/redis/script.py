"""Lua scripts: the files in `scripts/`. The head of each says its keys, its arguments and its answer."""

import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import redis

FOLDER = Path(__file__).with_name("scripts")
_INCLUDE = re.compile(r"^-- include (\w+)\.lua$", re.MULTILINE)


@cache
def text_of(name: str) -> str:
    """The script of this name, with the parts that it includes. Read once."""
    text = (FOLDER / f"{name}.lua").read_text(encoding="utf-8")
    return _INCLUDE.sub(lambda found: text_of(found[1]), text)


class Script:
    """A script that runs on one client. Redis is sent its text only where it does not know it yet."""

    def __init__(self, client: redis.Redis, name: str) -> None:
        self._run = client.register_script(text_of(name))

    def __call__(self, keys: Sequence[str], args: Sequence[str | int | float]) -> Any:  # noqa: ANN401 -- each script has its own, told in its head
        """The script's answer. Raises RedisError."""
        return self._run(keys=keys, args=args)
