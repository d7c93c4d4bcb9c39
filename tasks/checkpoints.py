"""Finished pieces of a long stage as artifacts: when the machine dies, another one goes on where it stopped."""

import shutil
from pathlib import Path

from shared.atomic import TEMPORARY, written_whole
from shared.progress import Progress
from tasks.workspace import Workspace

PREFIX = "pieces/"


class Checkpoints:
    """The `*.json` files of a folder, copied to the artifact store as they appear; they are no part of the results."""

    def __init__(self, work: Workspace, folder: Path) -> None:
        self.folder = folder
        self._store, self._job_id = work.store, work.job.job_id
        self._kept: set[str] = set()

    def restore(self) -> None:
        """Bring back what an earlier try kept, on whatever machine it ran."""
        for name in self._names():
            target = self.folder / name.removeprefix(PREFIX)
            if not target.exists():
                with written_whole(target) as temporary:
                    shutil.copyfile(self._store.fetch(self._job_id, name), temporary)
            self._kept.add(target.name)

    def keep(self) -> None:
        """Store the pieces that are new."""
        for path in sorted(self.folder.glob("*.json")):
            if path.name in self._kept or path.name.startswith(TEMPORARY):
                continue
            copy = path.with_suffix(".copy")
            shutil.copyfile(path, copy)
            self._store.put(self._job_id, PREFIX + path.name, copy)
            copy.unlink(missing_ok=True)
            self._kept.add(path.name)

    def kept_with(self, report: Progress) -> Progress:
        """`report`, which also keeps new pieces; not after it has stopped the work."""

        def report_and_keep(fraction: float) -> None:
            report(fraction)
            self.keep()

        return report_and_keep

    def remove(self) -> None:
        """They are not needed any more."""
        self._store.delete(self._job_id, self._names())

    def _names(self) -> list[str]:
        return [name for name in self._store.names(self._job_id) if name.startswith(PREFIX)]
