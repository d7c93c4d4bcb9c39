"""Stand-ins as processes: started on a free port, stopped at the end."""

import os
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.conftest import ROOT, wait_until


@contextmanager
def listening(command: Sequence[str | Path], *, port_file: Path) -> Iterator[int]:
    """Run a server that writes its port into `port_file`; gives the port."""
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=output, env=dict(os.environ))
        try:
            wait_until(lambda: port_file.exists() or process.poll() is not None, seconds=30)
            output.seek(0)
            assert port_file.exists(), output.read().decode()
            yield int(port_file.read_text())
        finally:
            process.terminate()
            process.wait(10)
