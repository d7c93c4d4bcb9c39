"""What may be submitted, and the job that comes of it."""

from typing import Any

import pytest
from marshmallow import ValidationError

from shared.errors import InvalidRequest, KlipError
from shared.jobs import Job
from shared.settings import Settings
from tests.conftest import SettingsMaker
from web.blueprints import flat
from web.schemas import SubmissionSchema
from web.submission import new_job

SECRET = "whsec_" + "A" * 32


def submitted(config: Settings, **body: Any) -> Job:
    return new_job(SubmissionSchema().load({"url": "file:a.mp4", **body}), owner="", config=config)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "url"),
        ({"url": 5}, "url"),
        ({"url": ""}, "url"),
        ({"url": None}, "url"),
        ({"url": "x" * 3000}, "url"),
        ({"url": "1", "extra": 1}, "extra"),
        ({"url": "1", "chat_url": 1}, "chat_url"),
        ({"url": "1", "callback_events": ["job.eaten"]}, "callback_events"),
        ({"url": "1", "callback_events": "job.failed"}, "callback_events"),
        ({"url": "1", "metadata": None}, "metadata"),
        ({"url": "1", "metadata": ["a"]}, "metadata"),
        ({"url": "1", "metadata": {"a": 1}}, "metadata"),
        ({"url": "1", "metadata": {"a": None}}, "metadata"),
        ({"url": "1", "metadata": {"": "x"}}, "metadata"),
        ({"url": "1", "metadata": {"a:b": "x"}}, "metadata"),
        ({"url": "1", "metadata": {"k" * 41: "x"}}, "metadata"),
        ({"url": "1", "metadata": {"a": "x" * 501}}, "metadata"),
        ({"url": "1", "metadata": {"a": "\ud800"}}, "metadata"),
        ({"url": "1", "metadata": {"a": "\0"}}, "metadata"),
        ({"url": "1", "metadata": dict.fromkeys(map(str, range(21)), "x")}, "metadata"),
        ({"url": "1", "options": []}, "options"),
        ({"url": "1", "options": None}, "options"),
        ({"url": "1", "options": {"speed": 2}}, "options.speed"),
        ({"url": "1", "options": {"video": "half"}}, "options.video"),
        ({"url": "1", "options": {"highlights": 0}}, "options.highlights"),
        ({"url": "1", "options": {"highlights": 51}}, "options.highlights"),
        ({"url": "1", "options": {"highlights": 2.5}}, "options.highlights"),
        ({"url": "1", "options": {"highlights": True}}, "options.highlights"),
        ({"url": "1", "options": {"highlights": "5"}}, "options.highlights"),
        ({"url": "1", "options": {"language": "english"}}, "options.language"),
        ({"url": "1", "options": {"language": "EN"}}, "options.language"),
        ({"url": "1", "options": {"language": "qq"}}, "options.language"),
        ({"url": "1", "options": {"transcriber": "google"}}, "options.transcriber"),
        ({"url": "1", "options": {"audio_track": 0}}, "options.audio_track"),
        ({"url": "1", "options": {"audio_track": 33}}, "options.audio_track"),
        ({"url": "1", "options": {"audio_track": "2"}}, "options.audio_track"),
        ({"url": "1", "options": {"audio_track": True}}, "options.audio_track"),
        ({"url": "1", "options": {"audio_track": 1.0}}, "options.audio_track"),
        ({"url": "1", "options": {"join": "file:b.mkv"}}, "options.join"),
        ({"url": "1", "options": {"join": None}}, "options.join"),
        ({"url": "1", "options": {"join": ["file:b.mkv"] * 51}}, "options.join"),
        ({"url": "1", "options": {"join": [""]}}, "options.join"),
        ({"url": "1", "options": {"join": ["file:b.mkv", 3]}}, "options.join"),
        ({"url": "1", "options": {"clips": "wide"}}, "options.clips"),
        ({"url": "1", "options": {"clips": 1}}, "options.clips"),
        ({"url": "1", "options": {"learn": 1}}, "options.learn"),
        ({"url": "1", "options": {"learn": "false"}}, "options.learn"),
        ({"url": "1", "options": {"learn": None}}, "options.learn"),
        ({"url": "1", "options": {"chat_offset_seconds": 86_400.5}}, "options.chat_offset_seconds"),
        ({"url": "1", "options": {"chat_offset_seconds": -86_401}}, "options.chat_offset_seconds"),
        ({"url": "1", "options": {"chat_offset_seconds": "5"}}, "options.chat_offset_seconds"),
        ({"url": "1", "options": {"chat_offset_seconds": True}}, "options.chat_offset_seconds"),
        ({"url": "1", "options": {"chat_offset_seconds": None}}, "options.chat_offset_seconds"),
        ({"url": "1", "options": {"chat_offset_seconds": float("nan")}}, "options.chat_offset_seconds"),
        ({"url": "1", "options": {"chat_offset_seconds": float("-inf")}}, "options.chat_offset_seconds"),
        ({"url": "1", "options": {"chat_offset_seconds": 10**400}}, "options.chat_offset_seconds"),
    ],
)
def test_a_wrong_field_is_named(body: dict[str, Any], field: str) -> None:
    with pytest.raises(ValidationError) as refusal:
        SubmissionSchema().load(body)

    assert isinstance(refusal.value.messages, dict)
    assert list(flat(refusal.value.messages)) == [field]


def test_what_is_left_out_has_the_documented_defaults(make_settings: SettingsMaker) -> None:
    job = submitted(make_settings(LOCAL_MEDIA_DIR="/tmp"))

    assert (job.options.video, job.options.highlights, job.options.language, job.options.clips) == (
        "clips",
        10,
        "en",
        True,
    )
    assert job.chat_ref is None


def test_metadata_of_the_longest_form_is_kept(make_settings: SettingsMaker) -> None:
    longest = {f"{number:02}" + "ß" * 38: "字" * 500 for number in range(20)}

    job = submitted(make_settings(LOCAL_MEDIA_DIR="/tmp"), metadata=longest)

    assert Job.loads(job.dumps()).metadata == longest


def test_metadata_makes_no_other_work_of_it(make_settings: SettingsMaker) -> None:
    config = make_settings(LOCAL_MEDIA_DIR="/tmp")

    assert submitted(config, metadata={"a": "1"}).fingerprint == submitted(config).fingerprint


@pytest.mark.parametrize("seconds", [0, -45, 45.25, 86_400, -86_400])
def test_the_chat_may_be_moved_by_a_day_at_most(make_settings: SettingsMaker, seconds: float) -> None:
    job = submitted(make_settings(LOCAL_MEDIA_DIR="/tmp"), options={"chat_offset_seconds": seconds})

    assert Job.loads(job.dumps()).options.chat_offset_seconds == seconds


@pytest.mark.parametrize("url", ["123456", "https://cdn.example/a.m3u8", "file:a.mp4"])
def test_every_source_takes_a_chat_file(make_settings: SettingsMaker, url: str) -> None:
    config = make_settings(LOCAL_MEDIA_DIR="/tmp", MEDIA_HOSTS="cdn.example")

    assert submitted(config, url=url, chat_url="file:night/a.json").chat_ref == "night/a.json"


def test_further_parts_are_kept_in_order(make_settings: SettingsMaker) -> None:
    job = submitted(make_settings(LOCAL_MEDIA_DIR="/tmp"), options={"join": ["file:night/c.mkv", "file:b b.mkv"]})

    assert Job.loads(job.dumps()).options.join == ("night/c.mkv", "b b.mkv")


@pytest.mark.parametrize(
    ("url", "part"),
    [
        ("file:a.mkv", "b.mkv"),
        ("file:a.mkv", "upload:0123"),
        ("file:a.mkv", "file:../b.mkv"),
        ("file:a.mkv", "https://cdn.example/b.mkv"),
        ("123456", "file:b.mkv"),
        ("https://cdn.example/a.mp4", "file:b.mkv"),
    ],
)
def test_only_files_have_further_parts_which_are_files(make_settings: SettingsMaker, url: str, part: str) -> None:
    config = make_settings(LOCAL_MEDIA_DIR="/tmp", MEDIA_HOSTS="cdn.example")

    with pytest.raises(InvalidRequest) as refusal:
        submitted(config, url=url, options={"join": [part]})

    assert list(refusal.value.errors or {}) == ["options.join"]


def test_a_chat_file_needs_a_media_folder(make_settings: SettingsMaker) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        submitted(make_settings(), url="1", chat_url="file:a.json")

    assert list(refusal.value.errors or {}) == ["chat_url"]


def test_all_forms_of_a_link_are_the_same_work(make_settings: SettingsMaker) -> None:
    forms = ("123456", " v123456 ", "twitch.tv/somebody/v/123456\n", "http://player.twitch.tv/?video=123456&t=1s")

    jobs = [submitted(make_settings(), url=form) for form in forms]

    assert {(job.fingerprint, job.video_id) for job in jobs} == {(jobs[0].fingerprint, "123456")}
    assert [job.url for job in jobs] == [form.strip() for form in forms]


@pytest.mark.parametrize("clips", [True, False, "vertical"])
def test_clips_may_be_on_off_or_vertical(make_settings: SettingsMaker, clips: bool | str) -> None:
    assert submitted(make_settings(LOCAL_MEDIA_DIR="/tmp"), options={"clips": clips}).options.clips == clips


@pytest.mark.parametrize(
    ("body", "video_id", "kind"),
    [
        ({"url": "https://www.twitch.tv/videos/123456?t=1h"}, "123456", "twitch"),
        ({"url": "123456"}, "123456", "twitch"),
        ({"url": "https://cdn.example/a.m3u8"}, "direct-2c8dc0556487fa00", "direct"),
        ({"url": "file:night/a.mp4", "chat_url": "file:a.json"}, "file:night/a.mp4", "local"),
    ],
)
def test_a_source_has_an_id_to_be_found_by(
    make_settings: SettingsMaker, body: dict[str, Any], video_id: str, kind: str
) -> None:
    job = submitted(make_settings(LOCAL_MEDIA_DIR="/tmp", MEDIA_HOSTS="cdn.example"), **body)

    assert (job.video_id, job.source["kind"], job.url) == (video_id, kind, body["url"])


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"url": "https://www.twitch.tv/somebody"}, "INVALID_TWITCH_URL"),
        ({"url": "https://example.com/videos/1"}, "UNSUPPORTED_SOURCE"),
        ({"url": "file:../etc/passwd"}, "UNSUPPORTED_SOURCE"),
        ({"url": "file:/etc/passwd"}, "UNSUPPORTED_SOURCE"),
        ({"url": "file:a\\b.mp4"}, "UNSUPPORTED_SOURCE"),
        ({"url": "file:a\x00.mp4"}, "UNSUPPORTED_SOURCE"),
        ({"url": "file:\ud800.mp4"}, "UNSUPPORTED_SOURCE"),
        ({"url": "https://clips.twitch.tv/FunnySlug"}, "INVALID_TWITCH_URL"),
        ({"chat_url": "https://example.com/chat.json"}, "INVALID_REQUEST"),
        ({"chat_url": "file:../a.json"}, "INVALID_REQUEST"),
        ({"chat_url": "123"}, "INVALID_REQUEST"),
        ({"callback_url": "https://example.com/hook"}, "INVALID_REQUEST"),
        ({"options": {"transcriber": "deepgram"}}, "INVALID_REQUEST"),
    ],
)
def test_a_source_that_is_not_allowed_is_refused_with_its_code(
    make_settings: SettingsMaker, body: dict[str, Any], code: str
) -> None:
    with pytest.raises(KlipError) as refusal:
        submitted(make_settings(LOCAL_MEDIA_DIR="/tmp"), **body)

    assert refusal.value.code == code


def test_without_a_media_folder_files_are_refused(make_settings: SettingsMaker) -> None:
    with pytest.raises(KlipError) as refusal:
        submitted(make_settings())

    assert refusal.value.code == "UNSUPPORTED_SOURCE"


@pytest.mark.parametrize(
    "address",
    [
        "http://example.com/hook",
        "https://user:word@example.com/hook",
        "https://exa mple.com/",
        "ftp://example.com/",
        "https://[::1]/",
        "/hook",
    ],
)
def test_a_callback_must_be_a_plain_https_address(make_settings: SettingsMaker, address: str) -> None:
    config = make_settings(LOCAL_MEDIA_DIR="/tmp", WEBHOOK_SECRET=SECRET)

    with pytest.raises(InvalidRequest) as refusal:
        submitted(config, callback_url=address)

    assert list(refusal.value.errors or {}) == ["callback_url"]


def test_a_callback_inside_the_network_needs_to_be_listed(make_settings: SettingsMaker) -> None:
    config = make_settings(LOCAL_MEDIA_DIR="/tmp", WEBHOOK_SECRET=SECRET, ALLOW_PRIVATE_HOSTS="hooks.lan:8080")

    assert submitted(config, callback_url="http://hooks.lan:8080/x").callback_url == "http://hooks.lan:8080/x"
    with pytest.raises(InvalidRequest):
        submitted(config, callback_url="http://hooks.lan:8081/x")


def test_the_fingerprint_is_of_source_chat_and_options_only(make_settings: SettingsMaker) -> None:
    config = make_settings(LOCAL_MEDIA_DIR="/tmp", WEBHOOK_SECRET=SECRET)
    same = [
        submitted(config),
        submitted(config, options={}),
        submitted(config, options={"highlights": 10}),
        submitted(config, options={"chat_offset_seconds": -0.0}),
        submitted(config, callback_url="https://example.com/hook"),
    ]
    others = [
        submitted(config, url="file:b.mp4"),
        submitted(config, chat_url="file:a.json"),
        submitted(config, options={"highlights": 9}),
        submitted(config, options={"chat_offset_seconds": 9}),
        submitted(config, options={"join": ["file:b.mp4", "file:c.mp4"]}),
        submitted(config, options={"join": ["file:c.mp4", "file:b.mp4"]}),
    ]

    assert len({job.fingerprint for job in same}) == 1
    assert len({job.fingerprint for job in (same[0], *others)}) == 7
    assert len({job.job_id for job in same}) == 5


def test_auto_stays_auto_so_that_the_worker_can_fall_back(make_settings: SettingsMaker) -> None:
    options = {"transcriber": "auto"}

    job = submitted(make_settings(LOCAL_MEDIA_DIR="/tmp", DEEPGRAM_API_KEY="k"), options=options)

    assert job.options.transcriber == "auto"
