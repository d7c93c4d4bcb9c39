"""The clients and the MCP server against the whole stack, as their users run them."""

import json
import os
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import anyio
import httpx
import pytest
from mcp import Client as McpClient
from mcp import StdioServerParameters
from standardwebhooks import Webhook

from clients.python.klipstream_client import AsyncClient, Client, DamagedDownload, HighlightEdit, Job, Options
from shared.redis.embedded import free_port
from tests.acceptance.conftest import Api
from tests.conftest import ROOT, wait_until
from tests.node import BIN, install

SECRET = "whsec_" + "c2VjcmV0LW9mLXRoZS10ZXN0cw=="
Command = list[str | Path]
CLIENTS = ROOT / "clients"
USER = ROOT / "tests" / "clients"
OPTIONS: Options = {"highlights": 2}
EDIT: HighlightEdit = {"verdict": "good", "title": "The goat"}


# --- Python -----------------------------------------------------------------------------------------------------------


def check_job(job: Job, kinds: Sequence[str]) -> None:
    assert (job["status"], job["error"]) == ("completed", None)
    assert [kind for kind in kinds if kind != "progress"] == ["completed"]


def test_python_submits_follows_fetches_and_judges(api: Api, tmp_path: Path) -> None:
    with Client(api.url) as client:
        job = client.submit("file:demo.mp4", chat_url="file:demo_chat.json", options=OPTIONS, force=True)
        job_id = job["job_id"]
        kinds = [event.kind for event in client.follow(job_id)]
        check_job(client.wait(job_id), kinds)
        results = client.results(job_id)
        clip = client.download(job_id, "clips/01.mp4", tmp_path)
        edited = client.edit_highlight(job_id, 1, EDIT)
        exported = client.export(job_id, "csv").decode()
        listed = client.jobs(status="completed", limit=1)["jobs"][0]["job_id"]
        with pytest.raises(DamagedDownload):
            client.download(job_id, "clips/01.mp4", tmp_path / "other.mp4", max_bytes=10)

        other = client.submit("file:demo.mp4", options={"transcriber": "none"}, force=True)["job_id"]
        client.cancel(other)
        cancelled = client.wait(other)
        again = client.retry(other)
        client.cancel(other)
        assert client.deliveries(job_id) == []

    assert [highlight["rank"] for highlight in results["highlights"]] == [1, 2]
    assert clip.read_bytes()[4:8] == b"ftyp"
    assert (edited["verdict"], edited["title"]) == ("good", "The goat")
    assert "The goat" in exported
    assert (listed, cancelled["status"], again["attempt"]) == (job_id, "cancelled", 2)


def test_async_python_does_the_same(api: Api, tmp_path: Path) -> None:
    async def run() -> None:
        async with AsyncClient(api.url) as client:
            job = await client.submit("file:demo.mp4", chat_url="file:demo_chat.json", options=OPTIONS, force=True)
            job_id = job["job_id"]
            kinds = [event.kind async for event in client.follow(job_id)]
            check_job(await client.wait(job_id), kinds)
            assert len((await client.results(job_id))["highlights"]) == 2
            assert (await client.download(job_id, "clips/01.mp4", tmp_path)).read_bytes()[4:8] == b"ftyp"
            assert (await client.edit_highlight(job_id, 1, EDIT))["title"] == "The goat"
            assert "The goat" in (await client.export(job_id, "csv")).decode()
            assert await client.deliveries(job_id) == []

    anyio.run(run)


def test_the_python_package_is_whole(tmp_path: Path) -> None:
    command: Command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", tmp_path]
    subprocess.run([*command, CLIENTS / "python"], check=True, timeout=120)
    (wheel,) = tmp_path.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(tmp_path / "installed")

    names = {path.name for path in (tmp_path / "installed" / "klipstream_client").iterdir()}
    code = "import klipstream_client; print(klipstream_client.__file__, klipstream_client.__version__)"
    path = {**os.environ, "PYTHONPATH": str(tmp_path / "installed")}
    said = subprocess.run(
        [sys.executable, "-c", code], env=path, cwd=tmp_path, capture_output=True, text=True, check=True
    )

    assert {"py.typed", "__init__.py", "client.py", "mcp_server.py"} <= names
    assert str(tmp_path / "installed") in said.stdout


# --- JavaScript -------------------------------------------------------------------------------------------------------


def test_javascript_in_node_does_the_same(api: Api) -> None:
    body = json.dumps({"type": "job.completed", "timestamp": "2026-01-01T00:00:00Z", "data": {}})
    now = datetime.now(UTC)
    headers = {
        "Webhook-Id": "msg_1",
        "Webhook-Timestamp": str(int(now.timestamp())),
        "Webhook-Signature": Webhook(SECRET).sign("msg_1", now, body),
    }
    variables = {"KLIPSTREAM_URL": api.url, "WEBHOOK_SECRET": SECRET, "WEBHOOK_BODY": body}
    variables["WEBHOOK_HEADERS"] = json.dumps(headers)
    command: Command = [BIN / "node", "--test", "--test-timeout=200000", USER / "user.test.ts"]

    done = subprocess.run(
        command, env={**os.environ, **variables}, capture_output=True, text=True, timeout=280, check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr


def test_the_types_fit_a_strict_user() -> None:
    modules = install()
    tsc: Command = [BIN / "node", modules / "typescript" / "bin" / "tsc", "-p", USER, "--typeRoots", modules / "@types"]
    checked = subprocess.run(tsc, capture_output=True, text=True, timeout=120, check=False)

    assert (checked.stdout, checked.returncode) == ("", 0)


def test_the_npm_package_has_the_module_and_its_types(tmp_path: Path) -> None:
    npm = BIN.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    command: Command = [BIN / "node", npm, "pack", "--pack-destination", tmp_path, CLIENTS / "js"]
    subprocess.run(command, cwd=tmp_path, capture_output=True, check=True, timeout=60)
    (package,) = tmp_path.glob("*.tgz")
    with tarfile.open(package) as archive:
        assert sorted(archive.getnames()) == [
            "package/klipstream.d.ts",
            "package/klipstream.js",
            "package/package.json",
        ]
        archive.extractall(tmp_path / "node_modules", filter="data")
    (tmp_path / "node_modules" / "package").rename(tmp_path / "node_modules" / "klipstream")
    code = 'import { KlipStream } from "klipstream"; console.log(typeof new KlipStream().follow)'

    said = subprocess.run(
        [BIN / "node", "--input-type=module", "-e", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )

    assert said.stdout.strip() == "function"


# --- MCP --------------------------------------------------------------------------------------------------------------

MCP = [sys.executable, "-m", "clients.python.klipstream_client.mcp_server"]


@asynccontextmanager
async def over_stdio(url: str, clips: Path) -> AsyncIterator[McpClient]:
    parameters = StdioServerParameters(
        command=MCP[0],
        args=[*MCP[1:], "--url", url, "--clips", str(clips)],
        cwd=str(ROOT),
        env={"PYTHONPATH": str(ROOT)},
    )
    async with McpClient(parameters) as client:
        yield client


@asynccontextmanager
async def over_http(url: str, clips: Path) -> AsyncIterator[McpClient]:
    port = free_port()
    command = [*MCP, "--url", url, "--clips", str(clips), "--port", str(port)]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL) as process:
        try:
            await anyio.to_thread.run_sync(lambda: wait_until(lambda: _listens(port), seconds=60))
            async with McpClient(f"http://127.0.0.1:{port}/mcp") as client:
                yield client
        finally:
            process.terminate()


def _listens(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/").status_code == 404
    except httpx.HTTPError:
        return False


@pytest.mark.parametrize("connected", [over_stdio, over_http])
def test_a_model_submits_looks_and_takes_a_clip(
    api: Api, tmp_path: Path, connected: Callable[[str, Path], AbstractAsyncContextManager[McpClient]]
) -> None:
    async def run() -> None:
        async with connected(api.url, tmp_path) as client:
            tools = {tool.name: tool for tool in (await client.list_tools()).tools}
            assert set(tools) == {"submit", "status", "highlights", "clip", "list", "cancel", "retry"}
            assert all(tool.output_schema for tool in tools.values())

            job = await used(client, "submit", recording="file:demo.mp4", chat_file="file:demo_chat.json", highlights=2)
            api.wait(str(job["job_id"]))
            state = await used(client, "status", job_id=job["job_id"])
            found = await used(client, "highlights", job_id=job["job_id"])
            clip = await used(client, "clip", job_id=job["job_id"], rank=1)
            jobs = await used(client, "list", status=["completed"], text="DEMO", limit=1)
            other = await used(client, "submit", recording="file:demo.mp4", highlights=1)
            stopped = await used(client, "cancel", job_id=other["job_id"])
            again = await used(client, "retry", job_id=other["job_id"])
            await used(client, "cancel", job_id=other["job_id"])
            refused = await client.call_tool("submit", {"recording": "https://example.com/x"})

        assert (state["status"], state["percentage"], state["highlights"]) == ("completed", 100.0, 2)
        assert isinstance(found["highlights"], list)
        assert [each["rank"] for each in found["highlights"]] == [1, 2]
        assert Path(str(clip["path"])).stat().st_size == clip["size_bytes"]
        assert httpx.get(str(clip["url"])).status_code == 200
        assert clip["opens_for_seconds"] is None
        assert (stopped["status"], again["status"] in {"queued", "downloading"}) == ("cancelled", True)
        assert str(job["job_id"]) in json.dumps(jobs)
        assert refused.is_error
        assert "UNSUPPORTED_SOURCE" in refused.model_dump_json()

    anyio.run(run)


async def used(client: McpClient, tool: str, **arguments: object) -> dict[str, object]:
    """What the tool gives."""
    result = await client.call_tool(tool, arguments)
    assert not result.is_error, result
    content = result.structured_content
    assert isinstance(content, dict)
    return content
