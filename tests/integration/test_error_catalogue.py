"""Every code of the contract's table, from real failures of the real libraries."""

import inspect
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from importlib import import_module
from pathlib import Path

import pytest

from shared.errors import KlipError, catalogue
from shared.net import edges as classification
from shared.net.edges import classify
from shared.problems import problem
from tests.conftest import ROOT
from tests.integration import error_rows_machine, error_rows_network
from tests.integration.provoked import ROWS, Place, Row
from tests.peers.twitch_process import TwitchPeer, running_twitch
from tests.recordings import recording

# Section 6 of the contract: seconds after which to try again; None: trying again can't help.
CONTRACT: dict[str, int | None] = {
    "NETWORK_TIMEOUT": 60,
    "CONNECTION_FAILED": 120,
    "DNS_RESOLUTION_FAILED": 60,
    "INVALID_TWITCH_URL": None,
    "VIDEO_NOT_FOUND": None,
    "VIDEO_UNAVAILABLE": None,
    "VIDEO_SIZE_EXCEEDED": None,
    "OUT_OF_MEMORY": 300,
    "INSUFFICIENT_STORAGE": 600,
    "PROCESSING_TIMEOUT": 300,
    "TRANSCRIPTION_SERVICE_ERROR": 180,
    "DATABASE_ERROR": 120,
    "STORAGE_SERVICE_ERROR": 180,
    "RATE_LIMIT_EXCEEDED": 900,
    "FILE_NOT_FOUND": None,
    "PERMISSION_DENIED": None,
    "UNSUPPORTED_FORMAT": None,
    "WORKER_LOST": 300,
    "CHAT_UNAVAILABLE": None,
    "UNCLASSIFIED_ERROR": 120,
}
HEAVY = ("av", "google.cloud", "httpx", "deepgram", "streamlink", "requests", "redis", "celery")


@pytest.fixture(scope="module")
def twitch() -> Iterator[TwitchPeer]:
    with running_twitch() as peer:
        yield peer


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return recording(tmp_path_factory.mktemp("video") / "video.mp4", seconds=3)


@pytest.fixture
def place(tmp_path: Path, twitch: TwitchPeer, valkey_url: str, video: Path) -> Iterator[Place]:
    with ExitStack() as stack:
        yield Place(folder=tmp_path, stack=stack, twitch=twitch, valkey=valkey_url, video=video)


def met(row: Row, place: Place) -> KlipError:
    """What the row's failure ends as at the boundary of a stage."""
    try:
        row.provoke(place)
    except AssertionError:
        raise
    except Exception as error:  # noqa: BLE001 -- whatever the library raises
        return classify(error)
    return pytest.fail("nothing was raised")


@pytest.mark.parametrize("row", ROWS, ids=[f"{row.code}-{row.provoke.__name__}" for row in ROWS])
def test_a_failure_ends_as_its_code(row: Row, place: Place) -> None:
    error = met(row, place)

    assert error.code == row.code
    told = problem(error, instance="/")
    after_s = CONTRACT.get(row.code, error.default_retry_after_s)
    assert told.retryable == (after_s is not None)
    assert told.retry_after_seconds == (row.retry_after_s or after_s)
    assert str(place.folder) not in told.detail


def test_every_code_of_the_contract_has_a_row() -> None:
    assert set(CONTRACT) <= set(catalogue())
    assert set(CONTRACT) - {row.code for row in ROWS} == set()


def test_every_function_of_the_tables_is_a_row() -> None:
    for module in (error_rows_network, error_rows_machine):
        takes_a_place = {
            function
            for name, function in inspect.getmembers(module, inspect.isfunction)
            if list(inspect.signature(function).parameters) == ["place"] and not name.startswith("_")
        }
        assert takes_a_place - {row.provoke for row in ROWS} <= {error_rows_machine.garbage}


def test_every_class_that_is_told_by_name_exists() -> None:
    for name in (*classification._SERVICES, *classification._LIBRARIES):
        module, _, attribute = name.rpartition(".")
        # httpx and a few others give their classes a public home in `__module__`.
        assert issubclass(getattr(import_module(module), attribute), BaseException), name


def test_classifying_imports_none_of_the_libraries_it_knows() -> None:
    program = f"import sys, shared.net.edges; print([name for name in {HEAVY} if name in sys.modules])"

    said = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, check=True, text=True).stdout

    assert said.strip() == "[]"
