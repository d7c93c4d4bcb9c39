"""The console as a person uses it."""

from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Page, Request, expect

from tests.acceptance.conftest import Api

PATIENCE_MS = 180_000


def test_a_recording_is_submitted_followed_and_its_clips_play(page: Page, api: Api) -> None:
    hosts: set[str] = set()
    page.on("request", lambda request: hosts.add(urlsplit(request.url).netloc))
    page.goto(f"{api.url}/console")
    page.get_by_label("Recording", exact=True).fill("file:demo.mp4")
    page.get_by_text("Options").click()
    page.get_by_label("Chat file").fill("file:demo_chat.json")
    page.get_by_role("button", name="Analyze").click()

    expect(page.locator("#job-status")).to_contain_text("Completed", timeout=PATIENCE_MS)

    clips = page.locator("#highlight-list video")
    expect(clips.first).to_be_attached()
    seconds = clips.first.evaluate(
        "video => new Promise((done, no) => { video.onloadedmetadata = () => done(video.duration);"
        " video.onerror = () => no('unplayable'); video.preload = 'metadata'; video.load(); })"
    )
    assert seconds > 5
    expect(page.locator("#timeline")).to_be_visible()
    assert hosts == {urlsplit(api.url).netloc}


def test_a_wrong_link_is_told_with_what_to_do(page: Page, api: Api) -> None:
    page.goto(f"{api.url}/console")
    page.get_by_label("Recording", exact=True).fill("https://example.com/videos/1")
    page.get_by_role("button", name="Analyze").click()

    expect(page.locator("#submit-problem")).to_contain_text("LOCAL_MEDIA_DIR", timeout=10_000)


def test_the_documentation_pages_load_without_other_hosts(page: Page, api: Api) -> None:
    hosts: set[str] = set()
    page.on("request", lambda request: hosts.add(urlsplit(request.url).netloc))

    page.goto(f"{api.url}/docs")
    expect(page.get_by_text("/api/v1/analysis", exact=False).first).to_be_visible(timeout=20_000)
    page.goto(f"{api.url}/redoc")
    expect(page.get_by_text("KlipStream", exact=False).first).to_be_visible(timeout=20_000)

    assert {host for host in hosts if host} == {urlsplit(api.url).netloc}


def test_every_option_of_the_form_reaches_the_job(page: Page, api: Api) -> None:
    sent: list[dict[str, Any]] = []

    def keep(request: Request) -> None:
        if request.method == "POST":
            sent.append(request.post_data_json or {})

    page.on("request", keep)
    page.goto(f"{api.url}/console")
    page.get_by_label("Recording", exact=True).fill("file:demo.mp4")
    page.get_by_text("Options").click()
    page.get_by_label("Words").select_option("none")
    page.get_by_label("Sound track").fill("1")
    page.get_by_label("Move chat by").fill("-1.5")
    page.get_by_label("Chat file").fill("file:demo_chat.json")
    page.get_by_label("Further parts").fill(" file:demo.mp4\n\nfile:missing part.mp4\n")
    page.get_by_role("button", name="Analyze").click()

    expect(page.locator("#job-problem")).to_contain_text("missing part.mp4", timeout=PATIENCE_MS)
    assert sent[0]["chat_url"] == "file:demo_chat.json"
    assert {
        name: sent[0]["options"][name] for name in ("transcriber", "audio_track", "chat_offset_seconds", "join")
    } == {
        "transcriber": "none",
        "audio_track": 1,
        "chat_offset_seconds": -1.5,
        "join": ["file:demo.mp4", "file:missing part.mp4"],
    }


def test_a_wrong_option_is_told_by_its_name(page: Page, api: Api) -> None:
    page.goto(f"{api.url}/console")
    page.get_by_label("Recording", exact=True).fill("file:demo.mp4")
    page.get_by_text("Options").click()
    page.get_by_label("Further parts").fill("upload:1")
    page.get_by_role("button", name="Analyze").click()

    expect(page.locator("#submit-problem")).to_contain_text("options.join", timeout=10_000)
