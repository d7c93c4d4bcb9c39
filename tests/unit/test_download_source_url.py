"""What a user may type as a source, and what is refused however it is written."""

import pytest

from shared.errors import InvalidTwitchUrl, UnsupportedSource
from shared.source_url import SourceRef, classify_url, parse_twitch_url, split_address

MEDIA_HOSTS = ("media.example.com", "cdn.example.com:8443", "127.0.0.1:9000")


def classify(text: str) -> SourceRef:
    return classify_url(text, media_hosts=MEDIA_HOSTS, local_allowed=True, private_hosts=("127.0.0.1:9000",))


@pytest.mark.parametrize(
    "text",
    [
        "https://www.twitch.tv/videos/2434635255",
        "https://m.twitch.tv/videos/2434635255",
        "https://twitch.tv/videos/2434635255",
        "https://www.twitch.tv/some_channel/v/2434635255",
        "https://www.twitch.tv/videos/2434635255?t=1h2m3s",
        "https://www.twitch.tv/videos/2434635255?filter=archives&sort=time",
        "https://www.twitch.tv/videos/2434635255/",
        "https://www.twitch.tv/videos/2434635255#chat",
        "HTTPS://WWW.Twitch.TV/videos/2434635255",
        "2434635255",
    ],
)
def test_every_form_of_a_vod_is_reduced_to_its_number(text: str) -> None:
    assert parse_twitch_url(text) == "2434635255"
    assert classify(text) == SourceRef("twitch", "2434635255")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("file:demo.mp4", SourceRef("local", "demo.mp4")),
        ("file:2026/demo one.mp4", SourceRef("local", "2026/demo one.mp4")),
        ("https://media.example.com/a.mp4", SourceRef("direct", "https://media.example.com/a.mp4")),
        ("https://media.example.com:443/a", SourceRef("direct", "https://media.example.com:443/a")),
        ("https://cdn.example.com:8443/a.m3u8", SourceRef("direct", "https://cdn.example.com:8443/a.m3u8")),
        ("http://127.0.0.1:9000/a.m3u8", SourceRef("direct", "http://127.0.0.1:9000/a.m3u8")),
    ],
)
def test_other_sources_are_told_apart(text: str, expected: SourceRef) -> None:
    assert classify(text) == expected


HOSTILE = [
    "",
    " ",
    "0",
    "007",
    "-1",
    "1e9",
    "12345678901234567890",
    "１２３４５",
    "٣٤٥",
    "2434635255\n",
    " 2434635255",
    "2434635255 ",
    "2434635255;id",
    "$(id)",
    "https://www.twitch.tv/videos/",
    "https://www.twitch.tv/videos/abc",
    "https://www.twitch.tv/videos/12a",
    "https://www.twitch.tv/videos/12/../../x",
    "https://www.twitch.tv/videos/%31%32",
    "https://www.twitch.tv//videos/12",
    "https://www.twitch.tv/videos/12\n",
    "https://www.twitch.tv/videos/12?x=\r\nHost: evil",
    "https://www.twitch.tv/videos/12\x00",
    "https://www.twitch.tv/videos/1 2",
    "https://www.twitch.tv/videos/12?" + "a" * 5000,
    "https://www.twitch.tv/clip/12",
    "https://www.twitch.tv/directory",
    "https://clips.twitch.tv/videos/12",
    "http://www.twitch.tv/videos/12",
    "//www.twitch.tv/videos/12",
    "www.twitch.tv/videos/12",
    "https:/www.twitch.tv/videos/12",
    "https:\\\\www.twitch.tv\\videos\\12",
    "https://www.twitch.tv\\@evil.com/videos/12",
    "https://www.twitch.tv:443/videos/12",
    "https://www.twitch.tv:8443/videos/12",
    "https://www.twitch.tv:80:443/videos/12",
    "https://user@www.twitch.tv/videos/12",
    "https://user:pass@www.twitch.tv/videos/12",
    "https://www.twitch.tv@evil.com/videos/12",
    "https://evil.com/www.twitch.tv/videos/12",
    "https://evil.com#www.twitch.tv/videos/12",
    "https://evil.com?https://www.twitch.tv/videos/12",
    "https://twitch.tv.evil.com/videos/12",
    "https://evil-twitch.tv/videos/12",
    "https://www.twitch.tv./videos/12",
    "https://www．twitch．tv/videos/12",
    "https://www.twіtch.tv/videos/12",
    "https://xn--twtch-q4a.tv/videos/12",
    "https://[::1]/videos/12",
    "https://[::ffff:127.0.0.1]/a.mp4",
    "https://127.0.0.1/a.mp4",
    "https://127.1/a.mp4",
    "https://2130706433/a.mp4",
    "https://0x7f000001/a.mp4",
    "https://localhost/a.mp4",
    "https://169.254.169.254/latest/meta-data",
    "http://169.254.169.254/latest/meta-data",
    "http://media.example.com/a.mp4",
    "https://media.example.com:8443/a.mp4",
    "https://cdn.example.com/a.mp4",
    "https://media.example.com.evil.com/a.mp4",
    "https://sub.media.example.com/a.mp4",
    "https://media.example.com@evil.com/a.mp4",
    "https://a:b@media.example.com/a.mp4",
    "https://@media.example.com/a.mp4",
    "https://media.example.com:/a.mp4",
    "https://media.example.com:443:443/a.mp4",
    "https://media.example.com:99999/a.mp4",
    "https://media.example.com:-1/a.mp4",
    "https://media.example.com:４４３/a.mp4",
    "https://media.example.com\\evil/a.mp4",
    "https://media.example.com\t/a.mp4",
    "https://media%2eexample.com/a.mp4",
    "https://media.example.com/" + "a" * 5000,
    "http://127.0.0.1:9001/a.m3u8",
    "ftp://media.example.com/a.mp4",
    "gopher://media.example.com/a.mp4",
    "data:video/mp4;base64,AAAA",
    "javascript:alert(1)",
    "concat:a|b",
    "hls://media.example.com/a.m3u8",
    "file://localhost/etc/passwd",
    "file:///etc/passwd",
    "file:/etc/passwd",
    "file:../secret.mp4",
    "file:a/../../secret.mp4",
    "file:a//b.mp4",
    "file:./a.mp4",
    "file:a\\..\\b.mp4",
    "file:a\x00.mp4",
    "file:a\n.mp4",
    "file:",
    "file:" + "a" * 300,
]


@pytest.mark.parametrize("text", HOSTILE)
def test_whatever_is_not_plainly_a_source_is_refused(text: str) -> None:
    with pytest.raises((InvalidTwitchUrl, UnsupportedSource)):
        classify(text)


def test_the_table_of_hostile_sources_is_long_and_without_doubles() -> None:
    assert len(set(HOSTILE)) == len(HOSTILE) >= 60


def test_local_files_and_links_are_refused_where_they_are_not_set_up() -> None:
    with pytest.raises(UnsupportedSource):
        classify_url("file:demo.mp4", media_hosts=(), local_allowed=False)
    with pytest.raises(UnsupportedSource):
        classify_url("https://media.example.com/a.mp4", media_hosts=(), local_allowed=False)


def test_an_address_is_split_into_what_is_dialled() -> None:
    assert split_address("https://Media.Example.com/x") == ("media.example.com", 443, "https")
    assert split_address("http://media.example.com:81/x") == ("media.example.com", 81, "http")
