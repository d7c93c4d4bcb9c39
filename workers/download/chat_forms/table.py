"""Chats as tables: CSV and its like, with a time and a text in each row."""

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice, takewhile
from typing import NamedTuple

from shared.errors import ChatUnavailable
from workers.download.chat_forms.clean import comment, is_too_long, name
from workers.download.chat_forms.columns import Columns, columns_of, guess
from workers.download.chat_forms.entry import Entry, Facts
from workers.download.chat_forms.packing import ChatText
from workers.download.chat_forms.times import Moment, moment

DELIMITERS = ",;\t|"
LONGEST_CELL = 64 * 1024
MOST_COLUMNS = 200
MOST_LINES_IN_ROW = 1000
SAMPLE_ROWS = 50
LEAST_SHARE = 0.5  # of the sample's rows that have a time and a text
NAME = "a table with a time and a text"
_LEAD = re.compile(r"\s*(?:#.*|sep=.)?\s*", re.IGNORECASE)


class Layout(NamedTuple):
    """width: cells of a row; further ones belong to a last text with delimiters in it.

    spaced: a space stands between delimiter and quote.  lead: lines before the table, such as Excel's `sep=;`.
    """

    delimiter: str
    columns: Columns
    width: int
    has_names: bool
    spaced: bool
    lead: int = 0


def layout_of(lines: Sequence[str]) -> Layout | None:
    """How the table that begins with `lines` is laid out; None when they are none with times and texts."""
    lead = sum(1 for _ in takewhile(lambda line: _LEAD.fullmatch(line), lines))
    filled = [line for line in lines[lead:] if line.strip()][: SAMPLE_ROWS + 1]
    found = [(_share(filled, layout), layout) for one in DELIMITERS if (layout := _layout(filled, one))]
    best = max(found, key=lambda pair: pair[0], default=None)
    return best[1]._replace(lead=lead) if best and best[0] >= LEAST_SHARE else None


def _layout(lines: Sequence[str], delimiter: str) -> Layout | None:
    spaced = any(f'{delimiter} "' in line for line in lines)
    first = next(_rows(lines[:1], delimiter, spaced=spaced), [])
    if not 2 <= len(first) <= MOST_COLUMNS:
        return None
    if named := columns_of(tuple(first)):
        return Layout(delimiter, named, len(first), has_names=True, spaced=spaced)
    rows = [row for row in _rows(lines, delimiter, spaced=spaced) if len(row) > 1]
    row = min(rows, key=len, default=[])
    times = [sum(moment(other[index]) is not None for other in rows) for index in range(len(row))]
    if not any(times):
        return None
    columns = guess(first[: len(row)], times.index(max(times)))
    has_names = moment(first[columns.time]) is None
    # Under a name that says nothing plain numbers may be anything; what is written like a clock is a time.
    if has_names and ":" not in next((other[columns.time] for other in rows if moment(other[columns.time])), ""):
        return None
    return Layout(delimiter, columns, len(row), has_names, spaced)


def _share(lines: Sequence[str], layout: Layout) -> float:
    rows = list(_rows(lines[layout.has_names :], layout.delimiter, spaced=layout.spaced))
    return sum(_moment(row, layout.columns) is not None for row in rows) / len(rows) if rows else 0.0


def _moment(row: Sequence[str], columns: Columns) -> Moment | None:
    if len(row) <= max(columns.time, columns.text):
        return None
    return moment(row[columns.time], unit_s=columns.unit_s)


def entries(chat: ChatText, layout: Layout, facts: Facts) -> Iterator[Entry | None]:
    """Every comment; None for each row that is none."""
    facts.form = NAME
    columns = layout.columns
    rows = _rows(islice(chat.lines(LONGEST_CELL), layout.lead, None), layout.delimiter, spaced=layout.spaced)
    if layout.has_names:
        next(rows, None)
    for number, row in enumerate(rows):
        if not row:
            continue
        at = _moment(row, columns)
        text = _text(row, layout) if at else ""
        if at is None or not text:
            yield None
            continue
        facts.may_be_day = facts.may_be_day or at.has_hours
        made = comment(_cell(row, columns.id), at.seconds, _cell(row, columns.user), text, fallback_id=f"n{number}")
        yield Entry(made, at.clock, cut=is_too_long(text))


def _text(row: Sequence[str], layout: Layout) -> str:
    """The text; where nobody quoted it, its own delimiters have cut it into cells."""
    if layout.columns.text == layout.width - 1:
        return layout.delimiter.join(row[layout.columns.text :])
    return row[layout.columns.text]


def _cell(row: Sequence[str], index: int | None) -> str | None:
    return name(row[index].strip()) if index is not None and index < len(row) else None


def _rows(lines: Iterable[str], delimiter: str, *, spaced: bool) -> Iterator[list[str]]:
    """Rows of cells; line ends inside quotes stay. Raises ChatUnavailable where a quote is never closed."""
    csv.field_size_limit(LONGEST_CELL)
    in_row = 0

    def counted() -> Iterator[str]:
        nonlocal in_row
        for line in lines:
            in_row += 1
            if in_row > MOST_LINES_IN_ROW:
                raise csv.Error("it never ends")
            # A NUL is an error to the readers of older Pythons.
            yield line.replace("\0", "") + "\n"

    try:
        for row in csv.reader(counted(), delimiter=delimiter, skipinitialspace=spaced):
            in_row = 0
            yield row
    except csv.Error as error:
        raise ChatUnavailable(
            f"The chat file is a table with a broken row: {error}. A quote may be left open."
        ) from error
