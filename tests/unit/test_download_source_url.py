"""What a user may type as a source, and what is refused however it is written."""

import pytest

from shared.errors import InvalidTwitchUrl, UnsupportedSource
from shared.source_url import SourceRef, classify_url, split_address
from shared.twitch_url import CLIP, COLLECTION, PAGE, parse_twitch_url

MEDIA_HOSTS = ("media.example.com", "cdn.example.com:8443", "127.0.0.1:9000")


def classify(text: str) -> SourceRef:
    return classify_url(text, media_hosts=MEDIA_HOSTS, local_allowed=True, private_hosts=("127.0.0.1:9000",))


FORMS = [
    "2434635255",
    "v2434635255",
    "V2434635255",
    "HTTPS://WWW.TWITCH.TV/VIDEOS/2434635255",
    "https://www.twitch.tv/Some_Channel/Video/2434635255",
    "https://www.twitch.tv/videos/2434635255?note=schön#größe",
    "https://www.twitch.tv/videos/2434635255/?t=01h02m03s&sr=a",
    "https://m.twitch.tv/videos/2434635255?desktop-redirect=true",
    "www.twitch.tv/videos/2434635255",
    "twitch.tv/some_channel/video/2434635255",
    "HTTPS://WWW.Twitch.TV/videos/2434635255",
    "https://www.twitch.tv/videos/2434635255/",
    "https://www.twitch.tv/videos/2434635255#chat",
    "https://www.twitch.tv/videos/2434635255?t=1h2m3s",
    "https://www.twitch.tv/videos/2434635255?filter=archives&sort=time",
    "https://www.twitch.tv/videos/2434635255?collection=abc_DEF",
    "https://www.twitch.tv/schedule?vodID=2434635255",
    "https://www.twitch.tv/some_channel?video=v2434635255",
    "https://www.twitch.tv/some_channel/schedule?vodID=2434635255&t=5s",
    "https://player.twitch.tv/?video=v2434635255",
    "https://player.twitch.tv/?parent=example.com&video=2434635255&autoplay=false#x",
    "player.twitch.tv?video=2434635255",
    *(
        f"{scheme}{host}{path}"
        for scheme in ("", "http://", "https://")
        for host in ("twitch.tv", "www.twitch.tv", "m.twitch.tv", "go.twitch.tv", "player.twitch.tv")
        for path in (
            "/videos/2434635255",
            "/videos/v2434635255",
            "/video/2434635255",
            "/v/2434635255",
            "/some_channel/video/2434635255",
            "/some_channel/v/2434635255/?t=1s",
            "/some_channel/schedule?vodID=2434635255",
            "/?video=v2434635255",
        )
    ),
]
AROUND = [
    *("{}", " {}", "{} ", "{}\n", "\r\n{}\t", "\ufeff{}\u200b", "\u00a0{}"),
    *("<{}>", "({})", "[{}]", '"{}"', "'{}'", "`{}`", "\u201c{}\u201d", "\u201e{}\u201c", "\u00ab{}\u00bb"),
    *("{}.", "{},", "{};", "{}!", "({}).", " <{}>,\n"),
]


@pytest.mark.parametrize("text", sorted(set(FORMS)))
def test_every_form_of_a_vod_is_reduced_to_its_number(text: str) -> None:
    assert parse_twitch_url(text) == "2434635255"
    assert {classify(around.format(text)) for around in AROUND} == {SourceRef("twitch", "2434635255")}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("https://clips.twitch.tv/FunnySlug-a_B1", CLIP),
        ("clips.twitch.tv/FunnySlug", CLIP),
        ("https://clips.twitch.tv/videos/12", CLIP),
        ("https://clips.twitch.tv/embed?clip=FunnySlug&parent=a.b", CLIP),
        ("https://www.twitch.tv/some_channel/clip/FunnySlug-a_B1?filter=clips", CLIP),
        ("https://m.twitch.tv/clip/FunnySlug", CLIP),
        ("https://www.twitch.tv/clip/12", CLIP),
        ("https://www.twitch.tv/collections/abc_DEF", COLLECTION),
        ("https://www.twitch.tv/collections/abc_DEF?video=12", COLLECTION),
        ("https://player.twitch.tv/?collection=abc_DEF", COLLECTION),
        ("https://www.twitch.tv/some_channel", "channel some_channel"),
        ("twitch.tv/some_channel/", "channel some_channel"),
        ("some_channel", "channel some_channel"),
        ("https://www.twitch.tv/some_channel/videos?filter=archives", "channel some_channel"),
        ("https://www.twitch.tv/some_channel/schedule", "channel some_channel"),
        ("https://www.twitch.tv/popout/some_channel/chat", "channel some_channel"),
        ("https://player.twitch.tv/?channel=some_channel", "channel some_channel"),
        ("https://www.twitch.tv/directory", PAGE),
        ("https://www.twitch.tv/directory/category/just-chatting", PAGE),
        ("https://www.twitch.tv/videos/abc", PAGE),
        ("https://www.twitch.tv", PAGE),
        ("https://dashboard.twitch.tv/u/some_channel/home", PAGE),
    ],
)
def test_what_is_on_twitch_but_no_vod_is_told_by_its_kind_and_what_to_send(text: str, sentence: str) -> None:
    with pytest.raises(InvalidTwitchUrl) as refusal:
        classify(f" {text}\n")

    assert sentence in refusal.value.detail
    assert "https://www.twitch.tv/videos/" in refusal.value.detail


@pytest.mark.parametrize(
    "text", ["https://www.youtube.com/watch?v=abc", "https://kick.com/a/videos/12", "youtu.be/abc", "evil.example/v/1"]
)
def test_another_site_is_told_by_its_name(text: str) -> None:
    with pytest.raises(UnsupportedSource) as refusal:
        classify(text)

    assert refusal.value.detail.startswith(text.removeprefix("https://").partition("/")[0])


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
    "2434635255;id",
    "$(id)",
    "https://www.twitch.tv/videos/",
    "https://www.twitch.tv/videos/12a",
    "https://www.twitch.tv/videos/12/../../x",
    "https://www.twitch.tv/videos/x/../12",
    "https://www.twitch.tv/a/b/videos/12",
    "https://www.twitch.tv/videos/vv12",
    "https://www.twitch.tv/videos/12 34",
    "https://www.twitch.tv/videos/12&video=3",
    "https://www.twitch.tv/videos/1a?video=12x",
    "https://www.twitch.tv/?video=12&vodID=13",
    "https://player.twitch.tv/?video=-12",
    "https://player.twitch.tv/?" + "a=1&" * 200 + "video=12",
    "https://evil.example/videos/123",
    "https://evil.example/?video=123",
    "evil.example/videos/123",
    "http://twitch.tv.evil.com/videos/12",
    "twitch.tv.evil.com/videos/12",
    "www.twitch.tv@evil.com/videos/12",
    "www.twitch.tv:443/videos/12",
    "evil@www.twitch.tv/videos/12",
    "http://user@player.twitch.tv/?video=12",
    "https://eviltwitch.tv/videos/12",
    "https://evil.com/?https://www.twitch.tv/videos/12",
    "ftp://www.twitch.tv/videos/12",
    "javascript://www.twitch.tv/videos/12",
    "ｗww.twitch.tv/videos/12",
    "https://www.twitch.tv/videos/%31%32",
    "https://www.twitch.tv//videos/12",
    "https://www.twitch.tv/videos/12?x=\r\nHost: evil",
    "https://www.twitch.tv/videos/12\x00",
    "https://www.twitch.tv/videos/1 2",
    "https://www.twitch.tv/videos/12?" + "a" * 5000,
    "//www.twitch.tv/videos/12",
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
