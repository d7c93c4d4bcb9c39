"""Captions stay readable whatever the words and their times are."""

import io
from itertools import pairwise

import webvtt
from hypothesis import given
from hypothesis import strategies as st

from workers.transcription.captions import LINE_CHARS, LONGEST_S, SHORTEST_S, Cue, captions, write_srt, write_vtt
from workers.transcription.transcript import Word


def spoken(text: str, *, start: float = 0.0, each_s: float = 0.4) -> list[Word]:
    return [Word(word, start + i * each_s, start + (i + 1) * each_s, None) for i, word in enumerate(text.split())]


@st.composite
def anything_said(draw: st.DrawFn) -> list[Word]:
    words, at = [], 0.0
    for text in draw(st.lists(st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S"]), min_size=1))):
        at += draw(st.sampled_from([0.0, 0.0, 0.01, 0.3, 1.5, 20.0]))
        end = at + draw(st.sampled_from([0.0, 0.05, 0.4, 3.0, 30.0]))
        words.append(Word(text * draw(st.sampled_from([1, 1, 1, 30])), at, end, None))
        at = draw(st.sampled_from([at, end]))
    return words


@given(words=anything_said(), unspaced=st.booleans())
def test_captions_hold_every_character_in_readable_cues(words: list[Word], unspaced: bool) -> None:
    cues = captions(words, unspaced=unspaced)

    shown = "".join("".join(cue.lines) for cue in cues)
    assert "".join(shown.split()) == "".join("".join(word.word for word in words).split())
    for cue in cues:
        assert 1 <= len(cue.lines) <= 2
        assert all(0 < len(line) <= LINE_CHARS for line in cue.lines)
        assert SHORTEST_S - 0.002 <= cue.end - cue.start <= LONGEST_S + 0.002
    assert all(earlier.end <= later.start for earlier, later in pairwise(cues))


def test_sentences_and_pauses_end_a_caption() -> None:
    words = [*spoken("This is a whole sentence. And another one"), *spoken("after a pause.", start=10.0)]

    assert [" ".join(cue.lines) for cue in captions(words)] == [
        "This is a whole sentence.",
        "And another one",
        "after a pause.",
    ]


def test_two_lines_are_balanced() -> None:
    (cue,) = captions(spoken("First we take the bridge on the left side of it all, my dear friends", each_s=0.2))

    assert len(cue.lines) == 2
    assert abs(len(cue.lines[0]) - len(cue.lines[1])) < 8


def test_a_caption_stays_as_long_as_it_is_spoken() -> None:
    assert captions(spoken("Short words here", start=3.0)) == [Cue(3.0, 4.2, ("Short words here",))]


def test_vtt_and_srt_are_read_back_by_a_parser() -> None:
    words = spoken("He said <b> & x --> y. Then he left the room at 12:30 and nobody knew why.", start=3599.5)
    cues = captions(words)
    vtt, srt = io.StringIO(), io.StringIO()
    write_vtt(cues, vtt)
    write_srt(cues, srt)

    read_vtt = webvtt.from_string(vtt.getvalue())
    read_srt = webvtt.from_buffer(io.StringIO(srt.getvalue()), format="srt")

    assert [(c.start_in_seconds, c.end_in_seconds) for c in read_vtt.captions] == [
        (int(c.start), int(c.end)) for c in cues
    ]
    assert read_vtt.captions[0].raw_text.startswith("He said &lt;b&gt; &amp; x --&gt; y.")
    assert len(read_srt.captions) == len(cues)
    assert read_vtt.captions[0].start == "00:59:59.500"
    assert srt.getvalue().startswith("1\n00:59:59,500 --> ")
    assert srt.getvalue().count("-->") == len(cues)
