"""The console as a person uses it."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, Request, expect

from tests.acceptance.conftest import Api
from workers.media.remux import probe

PATIENCE_MS = 180_000


def test_a_recording_is_submitted_followed_and_its_clips_play(page: Page, api: Api) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
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
    assert {urlsplit(url).netloc for url in asked} == {urlsplit(api.url).netloc}
    assert not [url for url in asked if "token" in url]  # without keys none is asked for


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


def opened_form(page: Page, api: Api) -> list[dict[str, Any]]:
    """The console with the options shown; gives the bodies that it sends from then on."""
    sent: list[dict[str, Any]] = []

    def keep(request: Request) -> None:
        if request.method == "POST":
            sent.append(request.post_data_json or {})

    page.on("request", keep)
    page.goto(f"{api.url}/console")
    page.get_by_label("Recording", exact=True).fill("file:demo.mp4")
    page.get_by_text("Options").click()
    return sent


def test_every_option_of_the_form_is_done_by_the_job(page: Page, api: Api, tmp_path: Path) -> None:
    sent = opened_form(page, api)
    page.locator("#submit-form").get_by_label("Highlights").fill("2")
    page.get_by_label("Clips", exact=True).select_option("vertical")
    page.get_by_label("Video", exact=True).select_option("full")
    page.get_by_label("Language").fill("auto")
    page.get_by_label("Learn").select_option("false")
    page.get_by_label("Words").select_option("none")
    page.get_by_label("Priority").select_option("low")
    page.get_by_label("Sound track").fill("1")
    page.get_by_label("Move chat by").fill("-1.5")
    page.get_by_label("Chat file").fill("file:demo_chat.json")
    page.get_by_role("button", name="Analyze").click()
    expect(page.locator("#job-status")).to_contain_text("Completed", timeout=PATIENCE_MS)

    assert sent == [
        {
            "url": "file:demo.mp4",
            "chat_url": "file:demo_chat.json",
            "options": {
                "highlights": 2,
                "clips": "vertical",
                "video": "full",
                "language": "auto",
                "learn": False,
                "transcriber": "none",
                "priority": "low",
                "audio_track": 1,
                "chat_offset_seconds": -1.5,
                "join": [],
            },
        }
    ]
    results = api.results(page.url.rpartition("job=")[2])
    assert len(results["highlights"]) == 2
    assert results["transcript"] is None
    assert results["video"]["audio_track"] == 1
    comments = api.http.get(results["files"]["chat.jsonl"]).text.splitlines()
    assert json.loads(comments[0])["offset_seconds"] == 0.5  # those at 1 s lie before the start
    assert "video.mp4" in results["files"]
    clip = probe(api.download(results["highlights"][0]["clip_url"], tmp_path))
    assert (clip.width, clip.height) == (720, 1280)


def test_parts_of_the_form_are_those_of_the_job(page: Page, api: Api) -> None:
    sent = opened_form(page, api)
    page.get_by_label("Clips", exact=True).select_option("false")
    page.get_by_label("Video", exact=True).select_option("none")
    page.get_by_label("Further parts").fill(" file:demo.mp4\n\nfile:missing part.mp4\n")
    page.get_by_role("button", name="Analyze").click()

    expect(page.locator(".field-problem")).to_contain_text("missing part.mp4", timeout=PATIENCE_MS)
    assert sent[0]["options"]["join"] == ["file:demo.mp4", "file:missing part.mp4"]
    assert (sent[0]["options"]["clips"], sent[0]["options"]["video"]) == (False, "none")


@pytest.mark.parametrize(
    ("label", "wrong", "name"),
    [
        ("Further parts", "upload:1", "options.join"),
        ("Highlights", "51", "options.highlights"),
        ("Language", "klingon", "options.language"),
        ("Sound track", "33", "options.audio_track"),
        ("Move chat by", "86401", "options.chat_offset_seconds"),
        ("Chat file", "https://example.com/chat.json", "chat_url"),
    ],
)
def test_a_wrong_option_is_told_at_its_field(page: Page, api: Api, label: str, wrong: str, name: str) -> None:
    opened_form(page, api)
    field = page.locator("#submit-form").get_by_label(label)
    field.fill(wrong)
    page.get_by_role("button", name="Analyze").click()

    expect(page.locator("#submit-problem")).to_contain_text(name, timeout=10_000)
    expect(field).to_have_attribute("aria-invalid", "true")
    told = page.locator(".field-problem")
    expect(told).to_have_count(1)
    expect(field).to_have_attribute("aria-errormessage", told.get_attribute("id") or "")
    assert told.inner_text()


def test_a_field_that_was_put_right_is_no_longer_marked(page: Page, api: Api) -> None:
    opened_form(page, api)
    page.get_by_label("Sound track").fill("33")
    page.get_by_role("button", name="Analyze").click()
    expect(page.locator("[aria-invalid]")).to_have_count(1, timeout=10_000)

    page.get_by_label("Sound track").fill("")
    page.get_by_label("Recording", exact=True).fill("twitch.tv/somebody")
    page.get_by_role("button", name="Analyze").click()

    expect(page.locator("#url-problem")).to_contain_text("This is the channel somebody", timeout=10_000)
    expect(page.locator("[aria-invalid]")).to_have_count(1)
