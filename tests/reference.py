"""The tables of docs/reference.md, out of the code: `make reference` writes them, a test holds them.

A table stands between `<!-- NAME -->` and `<!-- end -->`; everything else of the page is written by hand.
"""

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from environs import Env

from shared.errors import catalogue
from shared.files import EXPORTS, FILES, MARKED
from shared.settings import read_settings
from shared.stages import STAGES
from web import create_app
from web.answers import HighlightSchema, JobEventSchema, JobSchema, ResultsSchema
from web.schemas import OptionsSchema

PAGE = Path(__file__).resolve().parent.parent / "docs" / "reference.md"
_TABLE = re.compile(r"(<!-- (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def _table(head: tuple[str, ...], rows: Iterable[tuple[object, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |\n" for line in lines)


def _stages() -> str:
    rows = [(s.name, f"`{s.status.value}`", s.title, s.queue, f"{s.share[0]}-{s.share[1]}") for s in STAGES]
    return _table(("stage", "`status`", "shown as", "queue", "share of progress"), rows)


def _calls() -> str:
    app = create_app(read_settings(Env()))
    with app.test_client() as client:
        paths: dict[str, dict[str, Any]] = client.get("/openapi.json").get_json()["paths"]
    rows = [
        (f"`{method.upper()} {path}`", operation["summary"], ", ".join(_statuses(operation)))
        for path, operations in paths.items()
        for method, operation in operations.items()
        if method != "parameters"
    ]
    return _table(("call", "answer", "statuses besides errors"), rows)


def _statuses(operation: dict[str, Any]) -> list[str]:
    return sorted(status for status in operation["responses"] if status.isdigit() and int(status) < 400)


def _errors() -> str:
    rows = [
        (
            f"`{code}`",
            f"`{kind.error_type.value}`",
            kind.http_status,
            (kind.default_retry_after_s or "yes") if kind.retryable else "no",
            kind.title(),
        )
        for code, kind in sorted(catalogue().items())
    ]
    return _table(("code", "`error_type`", "status", "retryable (after s)", "meaning"), rows)


def _files() -> str:
    rows = [(f"`{f.name}`", f.stage, f.media_type, f"`{f.url_name}`" if f.url_name else "") for f in FILES]
    return _table(("file", "stage", "media type", "in `urls`"), rows)


def _exports() -> str:
    rows = [
        (f"`{name}`", f"`{file.name}`", f"`{MARKED[name].name}`" if name in MARKED else "", file.media_type)
        for name, file in EXPORTS.items()
    ]
    return _table(("format", "file", "the whole recording, marked", "media type"), rows)


def _options() -> str:
    rows = [(f"`{name}`", f"`{_shown(value)}`") for name, value in OptionsSchema().load({}).items()]
    return _table(("option", "default"), rows)


def _shown(value: object) -> str:
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _members() -> str:
    schemas = {
        "job": JobSchema,
        "event": JobEventSchema,
        "result document": ResultsSchema,
        "highlight": HighlightSchema,
    }
    rows = [(name, ", ".join(f"`{field}`" for field in schema().fields)) for name, schema in schemas.items()]
    return _table(("object", "members"), rows)


TABLES: dict[str, Callable[[], str]] = {
    "stages": _stages,
    "calls": _calls,
    "errors": _errors,
    "files": _files,
    "exports": _exports,
    "options": _options,
    "members": _members,
}


def current(page: str) -> str:
    """The page with every table as the code has it now. Raises KeyError for a table that nobody makes."""
    return _TABLE.sub(lambda found: found[1] + TABLES[found[2]]() + found[3], page)


if __name__ == "__main__":
    PAGE.write_text(current(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
