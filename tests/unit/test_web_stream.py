"""One client of a stream: what it is told at once, what is kept for it and for how long."""

import json
import socket
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from shared.redis.store import Event
from web import watcher as limits
from web.event_text import EncodedEvent, encoded, introduction, order
from web.watcher import Caller, Watcher


def event(number: int, status: str = "downloading", *, kind: str = "progress", padding: int = 0) -> EncodedEvent:
    data = {"event": kind, "job_id": "j", "status": status, "number": number, "padding": "x" * padding}
    return encoded(Event(f"1000-{number}", kind, data))


class Connected:
    """A watcher at one end of a connection, and a reader at the other."""

    def __init__(self, *, is_framed: bool = False) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            self.reader = socket.create_connection(server.getsockname())
            self.ours, _ = server.accept()
        self.watcher = Watcher("j", Caller("/", "", ""))
        self.watcher.start(self.ours, b"", [event(0)], is_framed=is_framed, now=0.0)
        self.watcher.resume((), 0.0)

    def received(self) -> bytes:
        """All that lies there to be read."""
        self.reader.setblocking(False)
        pieces = [b""]
        with suppress(BlockingIOError):
            while piece := self.reader.recv(65536):
                pieces.append(piece)
        return b"".join(pieces)

    def numbers(self) -> list[int]:
        return [data["number"] for data in self.data()]

    def data(self) -> list[dict[str, Any]]:
        lines = self.received().decode().split("\n")
        return [json.loads(line.removeprefix("data:")) for line in lines if line.startswith("data:")]


@pytest.fixture
def connected() -> Iterator[Connected]:
    made = Connected()
    yield made
    made.watcher.close()
    made.reader.close()


def test_an_event_is_the_same_for_all_but_for_what_is_a_clients_own() -> None:
    data = {"status": "queued", "text": 'a\u2028"connection_id": "", "update_count": 0}\n'}
    made = introduction("connected", Event("5-1", "progress", data), retry_ms=3000)

    fields = dict(line.split(":", 1) for line in made.text(b"abc", 7).decode().splitlines() if line)

    assert (fields["event"], fields["id"], fields["retry"]) == ("connected", "5-1", "3000")
    told = json.loads(fields["data"])
    assert (told["text"], told["connection_id"], told["update_count"]) == (data["text"], "abc", 7)


def test_each_event_is_counted_and_told_once(connected: Connected) -> None:
    for number in (1, 2, 2, 1, 3):
        connected.watcher.deliver(event(number, str(number)), 0.0)

    data = connected.data()
    assert [each["number"] for each in data] == [0, 1, 2, 3]
    assert [each["update_count"] for each in data] == [0, 1, 2, 3]


def test_of_progress_within_200_ms_the_last_is_told(connected: Connected) -> None:
    for number in range(1, 50):
        connected.watcher.deliver(event(number), 0.1)
    due = connected.watcher.next_try(0.1)

    assert due == limits.NOT_FASTER_THAN_S
    connected.watcher.flush(due - 0.01)
    assert connected.numbers() == [0]
    connected.watcher.flush(due)
    assert connected.numbers() == [49]


def test_a_change_of_status_and_the_end_do_not_wait(connected: Connected) -> None:
    connected.watcher.deliver(event(1, "transcribing"), 0.01)
    connected.watcher.deliver(event(2, "failed", kind="failed"), 0.02)

    assert [(each["event"], each["number"]) for each in connected.data()] == [
        *[("progress", 0), ("progress", 1)],
        *[("failed", 2), ("stream_ended", 2)],
    ]
    assert connected.watcher.is_closed


def test_progress_that_waits_is_told_before_the_change_that_follows_it(connected: Connected) -> None:
    connected.watcher.deliver(event(1), 0.01)
    connected.watcher.deliver(event(2, "transcribing"), 0.02)
    connected.watcher.flush(0.2)

    assert connected.numbers() == [0, 1, 2]


def test_what_happens_while_history_is_read_comes_after_it(connected: Connected) -> None:
    connected.watcher.pause()
    connected.watcher.deliver(event(4, "analyzing"), 1.0)
    connected.watcher.resume([event(2), event(3, "transcribing"), event(4, "analyzing")], 1.0)

    assert connected.numbers() == [0, 2, 3, 4]


def test_a_client_that_does_not_read_costs_little_and_is_dropped(connected: Connected) -> None:
    # Given more than the kernel takes
    for number in range(1, 200):
        connected.watcher.deliver(event(number, str(number), padding=20_000), 1.0)
    assert connected.watcher.next_try(1.0) == 1.0 + limits.SEND_AGAIN_AFTER_S

    # Then the client has its time, and more of it if it reads a little
    connected.watcher.flush(1.0 + limits.SEND_WITHIN_S)
    assert not connected.watcher.is_closed
    assert connected.received()
    connected.watcher.flush(2.0 + limits.SEND_WITHIN_S)
    assert not connected.watcher.is_closed

    # But not for ever
    connected.watcher.flush(2.1 + 2 * limits.SEND_WITHIN_S)
    assert connected.watcher.is_closed


def test_a_client_may_be_only_so_far_behind(connected: Connected) -> None:
    connected.watcher.pause()
    for number in range(1, limits.MAX_PENDING + 1):
        connected.watcher.deliver(event(number, str(number)), 1.0)
    assert not connected.watcher.is_closed

    connected.watcher.deliver(event(1000, "one more"), 1.0)
    assert connected.watcher.is_closed


def test_a_slow_client_gets_every_change_though_not_every_step(connected: Connected) -> None:
    # Given a client that was told more than the kernel takes
    connected.watcher.deliver(event(1, "big", padding=2_000_000), 1.0)
    for number in range(2, 1000):
        connected.watcher.deliver(event(number), 1.0)
    connected.watcher.deliver(event(1000, "failed", kind="failed"), 1.0)

    # When it reads on
    text, now = b"", 1.0
    while not connected.watcher.is_closed:
        text += connected.received()
        now += limits.NOT_FASTER_THAN_S
        connected.watcher.flush(now)
    text += connected.received()

    # Then it has the last step and the end
    lines = [line.removeprefix("data:") for line in text.decode().split("\n") if line.startswith("data:")]
    assert [json.loads(line)["number"] for line in lines] == [0, 1, 999, 1000, 1000]


def test_the_pieces_are_those_of_http(connected: Connected) -> None:
    framed = Connected(is_framed=True)
    framed.watcher.deliver(event(1, "failed", kind="failed"), 0.0)
    framed.reader.settimeout(5)

    rest, sizes = framed.received(), []
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        sizes.append(int(size, 16))
        assert rest[sizes[-1] : sizes[-1] + 2] == b"\r\n"
        rest = rest[sizes[-1] + 2 :]
    framed.reader.close()
    assert sizes[-1] == 0
    assert len(sizes) == 3


def test_who_has_left_is_noticed_at_the_next_sign_of_life(connected: Connected) -> None:
    connected.watcher.comment(15.0)
    assert connected.received().endswith(b": still here\n\n")

    connected.reader.close()
    wait_for_the_end_of(connected.ours)
    connected.watcher.comment(30.0)
    assert connected.watcher.is_closed


def wait_for_the_end_of(connection: socket.socket) -> None:
    connection.settimeout(5)
    assert connection.recv(1, socket.MSG_PEEK) == b""
    connection.setblocking(False)


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="only Linux ends connections to the dead by itself")
def test_a_connection_whose_other_side_is_silent_ends(connected: Connected) -> None:
    assert connected.ours.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == limits.UNCONFIRMED_MS


def test_ids_are_ordered_as_numbers() -> None:
    ids = ["1700000000000-10", "999-0", "1700000000000-9", "1700000000001-0"]

    assert sorted(ids, key=order) == ["999-0", "1700000000000-9", "1700000000000-10", "1700000000001-0"]


@pytest.mark.parametrize("text", ["", "x", "1", "1-", "-1", "1-1-1", "+", "(1-1", "1-1\n", "²-1", "9" * 30 + "-1"])
def test_what_is_no_id_comes_before_every_id(text: str) -> None:
    assert order(text) == (0, 0)
