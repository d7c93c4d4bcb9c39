"""Settings: defaults, and one clear line for each wrong value."""

from dataclasses import fields
from pathlib import Path

import pytest

from shared.settings import SECRET_FILE_BYTES, Settings, SettingsError
from tests.conftest import SettingsMaker


def test_everything_has_a_default_that_needs_no_account(make_settings: SettingsMaker) -> None:
    settings = make_settings()

    assert (settings.host, settings.port) == ("127.0.0.1", 3000)
    assert settings.artifacts_url == str(settings.data_dir / "artifacts")
    assert settings.transcriber == "auto"
    assert settings.api_keys == {}
    assert settings.public_url == "http://127.0.0.1:3000"


def test_lists_and_maps_are_read(make_settings: SettingsMaker) -> None:
    settings = make_settings(
        API_KEYS="anna:key-of-anna-the-first, ben:key-of-ben-the-first,anna:key-of-anna-the-next",
        MEDIA_HOSTS="Media.example , cdn.example",
        TWITCH_HOST_MAP="gql.twitch.tv=http://127.0.0.1:9",
        RATE_LIMIT_SUBMIT="5/hour",
    )

    assert settings.api_keys == {
        "anna": ("key-of-anna-the-first", "key-of-anna-the-next"),
        "ben": ("key-of-ben-the-first",),
    }
    assert settings.media_hosts == {"media.example", "cdn.example"}
    assert settings.twitch_host_map == {"gql.twitch.tv": "http://127.0.0.1:9"}
    assert (settings.rate_limit_submit.limit, settings.rate_limit_submit.seconds) == (5, 3600)


def test_secrets_do_not_show_in_the_settings_text(make_settings: SettingsMaker) -> None:
    shown = repr(
        make_settings(API_KEYS="anna:sesame-open-the-door", DEEPGRAM_API_KEY="sesame", REDIS_URL="redis://:sesame@h/0")
    )

    assert "sesame" not in shown


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"PORT": "eighty"}, "PORT is not a number"),
        ({"PORT": "70000"}, "PORT is not between 0 and 65535"),
        ({"REDIS_URL": "http://x"}, "REDIS_URL is not a redis"),
        ({"ARTIFACTS_URL": "s3://bucket"}, "ARTIFACTS_URL is neither"),
        ({"ARTIFACTS_URL": "gs://B"}, "ARTIFACTS_URL is not of the form gs://"),
        ({"ARTIFACTS_URL": "gs://bucket/a/../b"}, "ARTIFACTS_URL is not of the form gs://"),
        ({"TRANSCRIBER": "magic"}, "TRANSCRIBER is not one of"),
        ({"TRANSCRIBER": "deepgram"}, "DEEPGRAM_API_KEY is empty"),
        ({"CONVEX_URL": "https://c.example"}, "CONVEX_URL and CONVEX_DEPLOY_KEY go together"),
        ({"LOCAL_MEDIA_DIR": "/does/not/exist"}, "LOCAL_MEDIA_DIR is not a folder"),
        ({"TWITCH_HOST_MAP": "gql.twitch.tv"}, "TWITCH_HOST_MAP needs pairs"),
        ({"TWITCH_HOST_MAP": "gql.twitch.tv=ftp://x"}, "TWITCH_HOST_MAP is not an http"),
        ({"API_KEYS": "anna"}, "API_KEYS needs pairs"),
        ({"API_KEYS": f"anna:{16 * 'k'},ben:{16 * 'k'}"}, "API_KEYS gives two names the same key"),
        ({"API_KEYS": "anna:" + 15 * "k"}, "API_KEYS has a key of anna with fewer than 16 characters"),
        ({"API_KEYS": f"anna:{16 * 'k'},anna:"}, "API_KEYS needs pairs"),
        ({"RATE_LIMIT_READ": "often"}, "RATE_LIMIT_READ is not a rate"),
        ({"RATE_LIMIT_READ": "0/minute"}, "RATE_LIMIT_READ is not a rate"),
        ({"MAX_VIDEO_HOURS": "-1"}, "MAX_VIDEO_HOURS is not between"),
        ({"MAX_VIDEO_HOURS": "nan"}, "MAX_VIDEO_HOURS is not between"),
        ({"WEBHOOK_SECRET": "secret"}, "WEBHOOK_SECRET is not of the form"),
        ({"PUBLIC_URL": "example.com"}, "PUBLIC_URL is not an http"),
        ({"LOG_LEVEL": "loud"}, "LOG_LEVEL is not one of"),
        ({"HOST": "0.0.0.0"}, "API_KEYS is empty"),
    ],
)
def test_a_wrong_value_is_refused_with_one_line_that_names_it(
    make_settings: SettingsMaker, variables: dict[str, str], said: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        make_settings(**variables)

    assert str(caught.value).startswith(said) or said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_empty_variable_counts_as_unset(make_settings: SettingsMaker) -> None:
    assert make_settings(PORT="", API_KEYS=" ").port == 3000


SECRETS = {
    "REDIS_URL": "redis://:sesame@h/0",
    "DEEPGRAM_API_KEY": "sesame",
    "CONVEX_DEPLOY_KEY": "sesame",
    "API_KEYS": "anna:sesame-sesame-sesame",
    "WEBHOOK_SECRET": "whsec_" + "c2VzYW1l" * 4,
}


def test_the_secrets_here_are_all_there_are() -> None:
    assert set(SECRETS) == {each.name.upper() for each in fields(Settings) if each.metadata["secret"]}


@pytest.mark.parametrize(("name", "value"), SECRETS.items())
def test_each_secret_is_read_from_its_file_as_from_its_variable(
    make_settings: SettingsMaker, tmp_path: Path, name: str, value: str
) -> None:
    file = tmp_path / "secret"
    file.write_text(f"{value}\n")
    others = {"CONVEX_URL": "https://c.example"} if name == "CONVEX_DEPLOY_KEY" else {}

    from_file = make_settings(**{f"{name}_FILE": str(file)}, **others)
    from_variable = make_settings(**{name: value}, **others)

    assert from_file == from_variable
    assert getattr(from_file, name.lower())


def test_an_empty_secret_file_counts_as_unset(make_settings: SettingsMaker) -> None:
    assert make_settings(DEEPGRAM_API_KEY_FILE="/dev/null").deepgram_api_key is None


def test_a_variable_that_is_no_secret_is_not_read_from_a_file(make_settings: SettingsMaker, tmp_path: Path) -> None:
    (tmp_path / "port").write_text("4000")

    assert make_settings(PORT_FILE=str(tmp_path / "port")).port == 3000


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "WEBHOOK_SECRET_FILE can't be read: No such file"),
        (b"\xff\xfe", "WEBHOOK_SECRET_FILE is not UTF-8"),
        (b"x" * (SECRET_FILE_BYTES + 1), "WEBHOOK_SECRET_FILE is longer than"),
        (b"sesame", "WEBHOOK_SECRET is not of the form"),
    ],
)
def test_a_secret_file_that_is_of_no_use_is_refused_without_showing_it(
    make_settings: SettingsMaker, tmp_path: Path, content: bytes | None, said: str
) -> None:
    file = tmp_path / "secret"
    if content is not None:
        file.write_bytes(content)

    with pytest.raises(SettingsError) as caught:
        make_settings(WEBHOOK_SECRET_FILE=str(file))

    assert str(caught.value).startswith(said)
    assert "sesame" not in str(caught.value)


def test_a_secret_given_twice_is_refused(make_settings: SettingsMaker) -> None:
    with pytest.raises(SettingsError, match="API_KEYS and API_KEYS_FILE are both set: choose one"):
        make_settings(API_KEYS="anna:k1", API_KEYS_FILE="/dev/null")
