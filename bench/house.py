"""What the code looks like, in figures: `python -m bench.house [--rev REV]`, that revision beside the working tree.

Lines by room; modules over 300 lines; places that say `Any`; public things with a docstring; circles of imports; runs
of six lines or more that stand twice. Comments and blank lines count as lines. Ends with one JSON line.
"""

import argparse
import ast
import io
import json
import re
import subprocess
import tarfile
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("web", "tasks", "workers", "shared")
LONG_MODULE = 300
RUN = 6  # lines that make a duplicate
Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


class Module(NamedTuple):
    """One file. name: dotted.  room: its package, such as `workers.media`."""

    name: str
    room: str
    lines: list[str]
    tree: ast.Module


def modules(root: Path) -> list[Module]:
    """Every Python module of the rooms below `root`, which is a checkout."""
    found = []
    for path in sorted(path for room in ROOMS for path in (root / room).rglob("*.py")):
        inner = path.relative_to(root)
        text = path.read_text(encoding="utf-8")
        name = ".".join(inner.with_suffix("").parts).removesuffix(".__init__")
        found.append(Module(name, ".".join(inner.parts[:-1]), text.splitlines(), ast.parse(text)))
    return found


def lines_by_room(found: list[Module]) -> dict[str, int]:
    rooms: Counter[str] = Counter()
    for module in found:
        rooms[module.room] += len(module.lines)
    return dict(sorted(rooms.items()))


class Place(NamedTuple):
    """A line of a module."""

    module: str
    number: int
    line: str


def places_of_any(found: list[Module]) -> list[Place]:
    """Where `Any` stands in an annotation, a type alias or a cast; a line once for each."""
    return [
        Place(module.name, node.lineno, module.lines[node.lineno - 1].strip())
        for module in found
        for node in ast.walk(module.tree)
        if (isinstance(node, ast.Name) and node.id == "Any") or (isinstance(node, ast.Constant) and _quotes_any(node))
    ]


def _quotes_any(node: ast.Constant) -> bool:
    """Whether it is a type in quotes that says `Any`."""
    return isinstance(node.value, str) and re.fullmatch(r"Any|[\w.]+\[.*\bAny\b.*\]", node.value) is not None


def documented(found: list[Module]) -> tuple[int, int]:
    """Public functions, methods and classes with a docstring, and all of them."""
    public = [node for module in found for node in _public(module.tree)]
    return sum(ast.get_docstring(node) is not None for node in public), len(public)


def _public(tree: ast.Module | ast.ClassDef) -> Iterator[Definition]:
    for node in tree.body:
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        if not node.name.startswith("_") and not _is_overload(node):
            yield node
            if isinstance(node, ast.ClassDef):
                yield from _public(node)


def _is_overload(node: Definition) -> bool:
    return any(isinstance(mark, ast.Name) and mark.id == "overload" for mark in node.decorator_list)


def circle(found: list[Module]) -> list[str]:
    """One circle of imports, lazy ones too; empty when there is none."""
    names = {module.name for module in found}
    graph = {module.name: set(_imported(module, names)) - {module.name} for module in found}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def _imported(module: Module, names: set[str]) -> Iterator[str]:
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            whole = [f"{node.module}.{alias.name}" for alias in node.names]
            inner = [name for name in whole if name in names]
            yield from inner
            if len(inner) < len(whole) and node.module in names:
                yield node.module


def duplicates(found: list[Module]) -> int:
    """Runs of RUN lines or more that stand in two places; blank lines, comments and imports don't count."""
    places: defaultdict[tuple[str, ...], list[tuple[str, int]]] = defaultdict(list)
    for module in found:
        said = [line.strip() for line in module.lines]
        said = [line for line in said if line and not line.startswith(("#", "import ", "from "))]
        for at in range(len(said) - RUN + 1):
            places[tuple(said[at : at + RUN])].append((module.name, at))
    twice = {place for here in places.values() if len(here) > 1 for place in here[1:]}
    # Windows that follow each other are one run.
    return sum((name, at - 1) not in twice for name, at in twice)


def figures(root: Path) -> dict[str, Any]:
    found = modules(root)
    with_docstring, public = documented(found)
    return {
        "lines": lines_by_room(found),
        "lines_in_all": sum(len(module.lines) for module in found),
        "modules": len(found),
        f"modules_over_{LONG_MODULE}": [
            f"{module.name} {len(module.lines)}" for module in found if len(module.lines) > LONG_MODULE
        ],
        "any": len(places_of_any(found)),
        "public_with_docstring_percent": round(100 * with_docstring / max(public, 1), 1),
        "circle": circle(found),
        "duplicates": duplicates(found),
    }


def at_revision(revision: str) -> dict[str, Any]:
    """The figures of a revision of this repository."""
    packed = subprocess.run(["git", "archive", revision, *ROOMS], cwd=ROOT, capture_output=True, check=True).stdout
    with tempfile.TemporaryDirectory() as folder:
        with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
            archive.extractall(folder, filter="data")
        return figures(Path(folder))


def show(columns: dict[str, dict[str, Any]]) -> None:
    """A line for each figure, a column for each tree."""
    lines = {name: tree.pop("lines") for name, tree in columns.items()}
    rooms = sorted({room for tree in lines.values() for room in tree})
    print(f"{'':32}" + "".join(f"{name:>16}" for name in columns))
    for room in rooms:
        print(f"lines of {room:23}" + "".join(f"{lines[name].get(room, 0):>16}" for name in columns))
    for figure in next(iter(columns.values())):
        cells = [tree[figure] for tree in columns.values()]
        shown = [len(cell) if isinstance(cell, list) else cell for cell in cells]
        print(f"{figure:32}" + "".join(f"{cell:>16}" for cell in shown))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rev", help="a revision to set beside")
    given = parser.parse_args()
    columns = {given.rev: at_revision(given.rev)} if given.rev else {}
    columns["working tree"] = figures(ROOT)
    text = json.dumps(columns)
    show(columns)
    print(text)


if __name__ == "__main__":
    main()
