"""Debian's Chromium, driven by Playwright, against the whole stack."""

import os
import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import ConsoleMessage, Page, sync_playwright

from tests.acceptance.conftest import api, stack

__all__ = ["api", "stack"]
# Without these Chromium asks hosts of its own for things at every start.
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def is_our_error(message: ConsoleMessage) -> bool:
    # The browser itself tells every answer of 400 and above; those the tests look at.
    return message.type == "error" and not message.text.startswith("Failed to load resource")


@pytest.fixture
def page() -> Iterator[Page]:
    """An empty page; the test fails on any error that the browser's console tells."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        if os.environ.get("CI"):
            pytest.fail("Chromium is missing: apt-get install chromium")
        pytest.skip("Chromium is missing: apt-get install chromium")
    errors: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=QUIET)
        opened = browser.new_page(viewport={"width": 1200, "height": 900})
        opened.on("pageerror", lambda error: errors.append(str(error)))
        opened.on("console", lambda message: errors.append(message.text) if is_our_error(message) else None)
        yield opened
        browser.close()
    assert errors == []
