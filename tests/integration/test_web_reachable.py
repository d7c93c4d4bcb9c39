"""What can't work is refused at once, on a real server."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.conftest import Web, running_web, used

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, valkey_url: str) -> Iterator[tuple[str, Path]]:
    data_dir = tmp_path_factory.mktemp("reach")
    media = data_dir / "media"
    media.mkdir()
    (data_dir / "outside.mp4").touch()
    (media / "out.mp4").symlink_to(data_dir / "outside.mp4")
    (media / "circle.mp4").symlink_to(media / "circle.mp4")
    (media / "folder").mkdir()
    settings = {"LOCAL_MEDIA_DIR": str(media), "WEBHOOK_SECRET": SECRET, "ALLOW_PRIVATE_HOSTS": "127.0.0.1:8099"}
    with running_web(data_dir, valkey_url, **settings) as url:
        yield url, data_dir


@pytest.fixture
def web(server: tuple[str, Path], valkey_url: str) -> Iterator[Web]:
    with used(server[0], valkey_url, server[1]) as found:
        yield found


def refused(web: Web, **body: Any) -> dict[str, list[str]]:
    answer = web.http.post("/api/v1/analysis", json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "INVALID_REQUEST")
    errors: dict[str, list[str]] = answer.json()["errors"]
    return errors


@pytest.mark.parametrize("name", ["nothing.mp4", "out.mp4", "circle.mp4", "folder", "folder/a.mp4"])
def test_a_file_that_is_not_there_is_told_at_once(web: Web, name: str) -> None:
    assert refused(web, url=f"file:{name}") == {"url": [f"There is no file {name} in the media folder."]}


def test_each_missing_file_is_told_by_its_field(web: Web) -> None:
    options = {"join": ["file:a.mp4", "file:x.mp4", "file:y.mp4"]}

    errors = refused(web, url="file:b.mp4", chat_url="file:no.txt", options=options)

    assert {field: len(texts) for field, texts in errors.items()} == {"options.join": 2, "chat_url": 1}


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1/hook",
        "https://10.1.2.3/hook",
        "https://169.254.169.254/latest",
        "https://localhost/hook",
        "https://127.0.0.1:8100/hook",
        "https://0.0.0.0/hook",
    ],
)
def test_a_callback_to_a_private_address_is_told_at_once(web: Web, url: str) -> None:
    assert list(refused(web, url="1", callback_url=url)) == ["callback_url"]


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8099/hook", "https://93.184.216.34/hook", "https://klip.invalid/hook"]
)
def test_other_callbacks_are_taken(web: Web, url: str) -> None:
    answer = web.http.post("/api/v1/analysis", json={"url": "1", "callback_url": url}, params={"force": "true"})

    assert (answer.status_code, answer.json()["callback_url"]) == (202, url)


def test_of_several_only_those_that_can_not_work_are_refused(web: Web) -> None:
    items = [{"url": "file:a.mp4"}, {"url": "file:gone.mp4"}, {"url": "2", "callback_url": "https://10.0.0.1/"}]

    answer = web.http.post("/api/v1/analyses", json={"analyses": items})

    assert [one["status"] for one in answer.json()["analyses"]] == [202, 422, 422]
