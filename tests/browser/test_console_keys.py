"""The console on a server with keys: the key goes in headers only, files are opened with a token of the job."""

from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Page, Request, expect

from tests.acceptance.conftest import SAMPLES, running_stack

KEY = "key-of-ann-is-long"
PATIENCE_MS = 180_000


@pytest.fixture(scope="module")
def locked_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A stack with keys."""
    folder = tmp_path_factory.mktemp("locked")
    with running_stack(folder, LOCAL_MEDIA_DIR=str(SAMPLES), API_KEYS=f"ann:{KEY}") as stack:
        yield stack.url


def token_in(address: str | None) -> str:
    (token,) = parse_qs(urlsplit(address or "").query)["access_token"]
    return token


def test_the_key_is_in_no_address_and_files_open_with_a_token_that_is_renewed(page: Page, locked_url: str) -> None:
    asked: list[Request] = []
    page.on("request", lambda request: asked.append(request))
    page.clock.install()
    page.goto(f"{locked_url}/console")
    page.get_by_label("Key", exact=True).fill(KEY)
    page.get_by_role("button", name="Use it").click()
    page.get_by_label("Recording", exact=True).fill("file:demo.mp4")
    page.get_by_role("button", name="Analyze").click()
    expect(page.locator("#results")).to_be_visible(timeout=PATIENCE_MS)

    clip = page.locator("#highlight-list video").first
    link = page.get_by_role("link", name="Download the clip").first
    clip.evaluate(
        "video => new Promise((done, no) => { video.onseeked = done; video.onerror = () => no('unplayable');"
        " video.preload = 'auto'; video.currentTime = 2; video.load(); })"
    )
    expect(page.locator("#timeline")).to_have_js_property("complete", True)
    assert page.locator("#timeline").evaluate("image => image.naturalWidth") > 0
    first = token_in(link.get_attribute("href"))
    with page.expect_download() as download:
        link.click()
    assert download.value.path().read_bytes()[4:8] == b"ftyp"

    page.clock.fast_forward("12:00")

    expect(link).not_to_have_attribute("href", f"{clip_address(link.get_attribute('href'))}?access_token={first}")
    page.wait_for_function("first => !document.querySelector('#highlight-list video').src.includes(first)", arg=first)
    clip.evaluate("video => new Promise((done) => video.readyState ? done() : (video.onloadedmetadata = done))")
    assert clip.evaluate("video => video.currentTime") == pytest.approx(2, abs=0.5)
    second = token_in(link.get_attribute("href"))
    assert second != first

    tokens = [request for request in asked if request.url.endswith("/tokens")]
    files = [request for request in asked if "/files/" in request.url]
    assert len(tokens) == 2
    assert {token_in(request.url) for request in files} == {first, second}
    assert all(KEY not in request.url for request in asked)
    assert KEY not in page.url
    assert KEY not in page.content()


def clip_address(address: str | None) -> str:
    return (address or "").partition("?")[0]
