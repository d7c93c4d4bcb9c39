"""Finished pieces travel from the machine that died to the one that goes on."""

from pathlib import Path

import pytest

from shared.artifacts.folder import FolderStore
from shared.progress import silent
from tasks.checkpoints import Checkpoints
from tasks.workspace import Workspace
from tests.jobs_made import new_job


def pieces_on(machine: Path, store: FolderStore) -> Checkpoints:
    work = Workspace(new_job(), "transcribe", store=store, root=machine)
    return Checkpoints(work, work.subfolder("pieces"))


def test_what_one_machine_kept_another_one_has(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "artifacts")
    dying, other = pieces_on(tmp_path / "a", store), pieces_on(tmp_path / "b", store)
    report = dying.kept_with(silent)
    (dying.folder / "piece-1.json").write_text("one")
    report(0.3)
    (dying.folder / "piece-2.json").write_text("two")
    (dying.folder / ".new-abc.json").write_text("half")
    report(0.6)

    other.restore()

    assert {path.name: path.read_text() for path in other.folder.iterdir()} == {
        "piece-1.json": "one",
        "piece-2.json": "two",
    }


def test_a_piece_that_was_being_stored_when_its_machine_died_is_in_nobodys_way(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "artifacts")
    dying, other = pieces_on(tmp_path / "a", store), pieces_on(tmp_path / "b", store)
    (dying.folder / "piece-1.json").write_text("one")
    dying.keep()
    (store.root / "j1" / "pieces" / ".new-abc").write_text("ha")

    other.restore()

    assert [path.name for path in other.folder.iterdir()] == ["piece-1.json"]
    other.remove()
    assert store.names("j1") == []


def test_nothing_is_kept_once_the_work_was_stopped(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "artifacts")
    pieces = pieces_on(tmp_path / "a", store)
    (pieces.folder / "piece-1.json").write_text("one")

    def stopped(_fraction: float) -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        pieces.kept_with(stopped)(0.5)

    assert store.names("j1") == []


def test_at_the_end_no_piece_is_left_in_the_store(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "artifacts")
    pieces = pieces_on(tmp_path / "a", store)
    (pieces.folder / "piece-1.json").write_text("one")
    pieces.keep()

    pieces.remove()

    assert store.names("j1") == []
