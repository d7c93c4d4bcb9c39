"""Chat on the 1 s grid."""

import numpy as np
import pytest

from shared.emotions import EMOTIONS
from tests.unit.analysis_made import LAUGHS, burst, comment, in_order, talk
from workers.analysis.chat_signals import chat_grid
from workers.chatlog import Comment, Emote


def test_messages_and_chatters_are_counted_in_the_second_they_were_written() -> None:
    # Given three comments of two users in second 4
    comments = [comment(4.1, "a b", "ann"), comment(4.5, "c d", "ann"), comment(4.9, "e f", "bob")]
    # When they are put on the grid
    grid = chat_grid(comments, duration_s=10)
    # Then the second holds them and no other does
    assert grid.messages.tolist() == [0, 0, 0, 0, 3, 0, 0, 0, 0, 0]
    assert grid.chatters[4] == 2
    assert grid.total_chatters == 2


def test_comments_outside_the_recording_are_left_out() -> None:
    grid = chat_grid([comment(5, "in", "a"), comment(20, "after the end", "b")], duration_s=10)
    assert grid.messages.sum() == 1


def test_one_users_spam_counts_less_with_every_message() -> None:
    # Given one user laughing ten times and ten users laughing once
    alone = chat_grid([comment(1 + i / 10, "LUL", "spammer") for i in range(10)], duration_s=10)
    crowd = chat_grid([comment(1 + i / 10, "LUL", f"user{i}") for i in range(10)], duration_s=10)
    # Then the crowd's laughter weighs several times more
    assert crowd.sums["reaction"].sum() == pytest.approx(10)
    assert alone.sums["reaction"].sum() == pytest.approx(sum(1 / rank for rank in range(1, 11)))


def test_bots_are_counted_but_do_not_react() -> None:
    grid = chat_grid([comment(1, "PogChamp hype", "Nightbot"), comment(2, "PogChamp", "my_own_bot")], duration_s=5)
    assert grid.messages.sum() == 2
    assert grid.sums["reaction"].sum() == 0


def test_a_copy_paste_wave_is_a_crowd_and_not_a_reaction() -> None:
    # Given a long text with reacting words pasted by five users
    pasted = "LUL LUL this is the very long text that everybody pastes LUL"
    grid = chat_grid([comment(1 + i, pasted, f"user{i}") for i in range(5)], duration_s=10)
    # Then it is all crowd
    assert grid.sums["crowd"].sum() == pytest.approx(5)
    assert grid.sums["reaction"].sum() == 0


def test_many_alike_short_answers_are_a_crowd() -> None:
    poll = chat_grid([comment(1 + i / 10, "red" if i % 2 else "blue", f"u{i}") for i in range(12)], duration_s=20)
    varied = chat_grid([comment(1 + i / 10, f"word{i}", f"u{i}") for i in range(12)], duration_s=20)
    assert poll.sums["crowd"].sum() == pytest.approx(12)
    assert varied.sums["crowd"].sum() == 0


def test_subscriptions_and_bits_are_counted_apart() -> None:
    notice = "ann subscribed at Tier 1. They've subscribed for 3 months!"
    grid = chat_grid([comment(1, notice, "ann"), comment(2, "cheer100 nice", "bob", bits=100)], duration_s=5)
    assert grid.subs.tolist() == [0, 1, 0, 0, 0]
    assert grid.bits.tolist() == [0, 0, 100, 0, 0]


def test_top_emotes_come_from_the_log_and_from_well_known_words() -> None:
    emotes = (Emote("1", "chanWave"),)
    comments = [comment(1, "chanWave", "a", emotes=emotes), comment(2, "KEKW KEKW", "b"), comment(3, "KEKW", "c")]
    assert chat_grid(comments, duration_s=5).top_emotes == [("KEKW", 3), ("chanWave", 1)]


def test_an_empty_chat_gives_an_empty_grid() -> None:
    grid = chat_grid([], duration_s=30.5)
    assert grid.seconds == 31
    assert grid.messages.sum() == grid.emotions.sum() == grid.total_chatters == 0


def test_comments_of_deleted_accounts_are_kept_apart() -> None:
    gone = [Comment(id=str(i), offset_seconds=1.0, user=None, text="LUL") for i in range(3)]
    assert chat_grid(gone, duration_s=5).chatters[1] == 3


def test_laughter_stands_in_the_laughing_row_and_the_same_chat_gives_the_same_grid() -> None:
    # Given talk with a burst of laughter
    comments = in_order(talk(120), burst(60, LAUGHS))
    # When it is measured twice
    first, second = chat_grid(comments, duration_s=120), chat_grid(comments, duration_s=120)
    # Then laughter leads, and both are equal bit for bit
    assert EMOTIONS[int(first.emotions[:, 60:75].sum(axis=1).argmax())] == "funny"
    assert first.emotions.tobytes() == second.emotions.tobytes()
    assert all(np.array_equal(first.sums[name], second.sums[name]) for name in first.sums)


def test_progress_never_falls_and_ends_high() -> None:
    told: list[float] = []
    chat_grid(talk(21_000, every_s=1.0), duration_s=21_000, progress=told.append)
    assert told == sorted(told)
    assert len(told) >= 3
