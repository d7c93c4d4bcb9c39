"""Programs of other packages that tests run: where they are, or a line that says which package brings them."""

import os
import shutil
import sys
from pathlib import Path

import pytest

# pip's beside this Python; Debian's servers are in sbin.
_FOLDERS = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", ""), "/usr/sbin"])


def program(name: str, package: str) -> str:
    """The path of `name`. Without it the test is skipped, in CI it fails.

    package: how to install it, such as "apt-get install nginx-light".
    """
    found = shutil.which(name, path=_FOLDERS)
    if found is None:
        message = f"{name} is missing: {package}"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return found
