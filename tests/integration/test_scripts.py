"""Each Lua script alone, on a real Valkey, by what its head promises."""

import json
from pathlib import Path
from typing import cast

import pytest

from shared.redis.script import FOLDER, Script, text_of
from shared.redis.store import Entries, JobStore

OUTBOX = ["mirror:due", "mirror:states", "webhooks:due", "webhooks"]
AT = ["owners", "jobs", "underway"]
PLACES = [*AT, *AT, "underway:me", "turns", "held", "untaken"]
LIMITS = [2, 100, 2_000]
PARTS = ("tell", "place", "ahead")
SCRIPTS = sorted(path.stem for path in FOLDER.glob("*.lua"))


def create(store: JobStore, job_id: str = "a", *, body_hash: str = "", force: str = "", most: int = 5) -> list[str]:
    names = [
        "idem",
        "running",
        "active:me",
        "active",
        f"job:{job_id}",
        "events",
        *OUTBOX,
        *PLACES,
        "index",
        "index:queued",
    ]
    job = json.dumps({"seq": 0, "token": 0, "holder": None})
    arguments: list[str | int] = [
        body_hash,
        force,
        60,
        most,
        job_id,
        job,
        1_000,
        '{"type": "x"}',
        "channel",
        *LIMITS,
        "me",
        1_000,
    ]
    found: list[str] = Script(store.redis, "create")(names, arguments)
    return found


def change(
    store: JobStore, *, old_seq: int = 0, seq: int = 1, lease: str = "", terminal: str = "", event: str = ""
) -> str:
    names = [
        "job:a",
        "events",
        "lease",
        "active",
        "active:me",
        "running",
        "index:queued",
        "index:next",
        "finished",
        "cancelled",
    ]
    job = json.dumps({"seq": seq, "token": 7, "holder": "w"})
    arguments: list[str | int] = [
        old_seq,
        job,
        '{"type": "x"}',
        lease,
        5_000,
        "a",
        "channel",
        1_000,
        terminal,
        10,
        2_000,
    ]
    arguments += ["status", event, "record", *LIMITS, "me", 0, "same", "", "", "", 0, "ends" if terminal else ""]
    return str(Script(store.redis, "change")([*names, *OUTBOX, *PLACES, "counters"], arguments))


@pytest.mark.parametrize("name", SCRIPTS)
def test_every_script_says_what_it_takes(name: str) -> None:
    head = "".join(line for line in text_of(name).splitlines(keepends=True) if line.startswith("--"))

    assert name in PARTS or ("-- KEYS: " in head and "ARGV: " in head)


def test_parts_are_put_in_once() -> None:
    assert text_of("create").count("local function tell") == 1
    assert "-- include" not in text_of("create")
    assert Path(FOLDER / "tell.lua").read_text() in text_of("change")


def test_create_keeps_the_job_its_indexes_and_its_first_event(store: JobStore) -> None:
    with store.redis.pubsub() as listener:
        listener.subscribe("channel")
        listener.get_message(timeout=5)

        assert create(store) == ["created", "a"]

        message = listener.get_message(timeout=5)
    ((event_id, fields),) = cast("Entries", store.redis.xrange("events"))
    assert message is not None
    assert json.loads(message["data"]) == {"id": event_id, "type": "x"}
    assert fields == {"message": '{"type": "x"}'}
    assert store.redis.get("running") == "a"
    assert store.redis.smembers("active") == store.redis.smembers("active:me") == {"a"}
    assert store.redis.zscore("index", "a") == store.redis.zscore("index:queued", "a") == 1_000
    assert store.redis.lrange("mirror:states", 0, -1) == [store.redis.get("job:a")]


def test_create_finds_the_job_that_a_request_means(store: JobStore) -> None:
    assert create(store, "a", body_hash="h") == ["created", "a"]
    assert create(store, "b", body_hash="other") == ["seen", "h a"]
    store.redis.delete("idem")
    assert create(store, "b", body_hash="h2") == ["running", "a"]
    assert store.redis.get("idem") == "h2 a"
    assert create(store, "b", force="force") == ["created", "b"]
    assert create(store, "c", force="force", most=2) == ["full", ""]
    assert store.redis.get("job:c") is None


def test_change_writes_only_on_what_it_read(store: JobStore) -> None:
    assert change(store) == "gone"
    create(store)
    assert change(store, old_seq=3) == "conflict"
    assert change(store, lease="7") == "ok"
    assert 0 < store.redis.pttl("lease") <= 5_000
    assert change(store, old_seq=1, seq=2, lease="8") == "held"
    assert json.loads(store.redis.get("job:a") or "")["seq"] == 1
    assert store.redis.zscore("index:next", "a") == 1_000
    assert store.redis.zscore("index:queued", "a") is None


def test_change_to_the_end_leaves_the_active_ones_and_back_returns(store: JobStore) -> None:
    create(store)
    change(store, lease="7")

    assert change(store, old_seq=1, seq=2, lease="drop", terminal="terminal", event="msg_1") == "ok"
    assert not store.redis.exists("lease", "active", "active:me", "running")
    assert store.redis.zscore("finished", "a") == 2_000
    assert store.redis.hgetall("counters") == {"ends": "1"}
    assert store.redis.hgetall("webhooks") == {"msg_1": "record"}
    assert store.redis.zrange("webhooks:due", 0, -1) == ["a/msg_1"]
    # Two states are kept, the newest.
    assert [json.loads(text)["seq"] for text in store.redis.lrange("mirror:states", 0, -1)] == [1, 2]

    assert change(store, old_seq=2, seq=3) == "ok"
    assert store.redis.smembers("active") == {"a"}
    assert store.redis.zscore("finished", "a") is None
    assert store.redis.get("running") == "a"


def test_renew_keeps_the_lease_of_the_claim_that_has_the_stage(store: JobStore) -> None:
    renew = Script(store.redis, "renew")
    assert renew(["job:a", "lease", "held"], [7, 5_000, "a"]) == 0
    store.redis.set("job:a", json.dumps({"token": 7, "holder": "w"}))

    assert renew(["job:a", "lease", "held"], [6, 5_000, "a"]) == 0
    assert renew(["job:a", "lease", "held"], [7, 5_000, "a"]) == 1
    assert 0 < store.redis.pttl("lease") <= 5_000
    store.redis.set("lease", "8")
    assert renew(["job:a", "lease", "held"], [7, 5_000, "a"]) == 0
    store.redis.delete("lease")
    store.redis.set("job:a", json.dumps({"token": 7, "holder": None}))
    assert renew(["job:a", "lease", "held"], [7, 5_000, "a"]) == 0


@pytest.mark.parametrize(("sent", "more_states", "due"), [(5, 0, None), (4, 0, 12_000), (4, 1, 10_000)])
def test_settle_leaves_what_is_newer_due(store: JobStore, sent: int, more_states: int, due: int | None) -> None:
    store.redis.set("job:a", json.dumps({"seq": 5}))
    store.redis.zadd("due", {"a": 1})
    for _ in range(more_states):
        store.redis.rpush("states", "x")

    Script(store.redis, "settle")(["job:a", "due", "states"], ["a", sent, 10_000, 2_000])

    assert store.redis.zscore("due", "a") == due


@pytest.mark.parametrize(("more_states", "due"), [(0, None), (1, 10_000)])
def test_settle_leaves_the_last_state_of_a_removed_job_due(store: JobStore, more_states: int, due: int | None) -> None:
    store.redis.zadd("due", {"a": 1})
    for _ in range(more_states):
        store.redis.rpush("states", "x")

    Script(store.redis, "settle")(["job:a", "due", "states"], ["a", 5, 10_000, 2_000])

    assert store.redis.zscore("due", "a") == due


def test_create_takes_a_key_whose_job_is_gone_for_a_new_one(store: JobStore) -> None:
    create(store, "a", body_hash="h")
    store.redis.delete("job:a", "running")

    assert create(store, "b", body_hash="h") == ["created", "b"]
    assert store.redis.get("idem") == "h b"


def test_forget_leaves_the_last_state_for_the_mirror_only(store: JobStore) -> None:
    forget, names = Script(store.redis, "forget"), ["job:a", "events", "due", "states", "failing"]
    names += ["hooks:due", "hooks", "edits", "index"]
    assert forget(names, [5, "a", "", 60]) == "gone"
    store.redis.set("job:a", json.dumps({"seq": 5}))
    store.redis.hset("hooks", "e", "x")
    store.redis.zadd("hooks:due", {"a/e": 1, "b/e": 1})
    store.redis.zadd("index", {"a": 1, "b": 1})
    store.redis.rpush("states", "older")
    assert forget(names, [4, "a", "last", 60]) == "conflict"

    assert forget(names, [5, "a", "last", 60]) == "ok"

    assert sorted(str(key) for key in store.redis.keys("*")) == ["due", "hooks:due", "index", "states"]
    assert store.redis.lrange("states", 0, -1) == ["last"]
    assert store.redis.zrange("hooks:due", 0, -1) == ["b/e"]
    assert store.redis.zrange("index", 0, -1) == ["b"]


@pytest.mark.parametrize(("next_ms", "due"), [("", None), (9_000, 9_000)])
def test_keep_delivery_writes_nothing_for_a_removed_job(store: JobStore, next_ms: str | int, due: int | None) -> None:
    keep = Script(store.redis, "keep_delivery")
    store.redis.zadd("due", {"a/e": 1})
    keep(["hooks", "due"], ["e", "new", "a/e", next_ms])
    assert not store.redis.exists("hooks", "due")

    store.redis.hset("hooks", "e", "old")
    keep(["hooks", "due"], ["e", "new", "a/e", next_ms])

    assert store.redis.hget("hooks", "e") == "new"
    assert store.redis.zscore("due", "a/e") == due


def test_admit_lets_one_probe_through(store: JobStore) -> None:
    admit = Script(store.redis, "admit")
    names, times = ["b", "evidence", "probe"], [60_000, 120_000, 5_000, 600_000]
    assert admit(names, ["a job", "t", *times]) == ["closed", 0, 0]
    opened_ms = store.redis.time()[0] * 1_000
    store.redis.hset("b", mapping={"state": "open", "opened_at": opened_ms})

    state, wait_ms, _ = admit(names, ["a job", "t", *times])
    assert state == "refused"
    assert 55_000 < wait_ms <= 65_000

    store.redis.hset("b", "opened_at", 0)
    assert admit(names, ["a job", "t", *times])[0] == "open"
    assert store.redis.get("probe")
    assert admit(names, ["another", "u", *times])[0] == "refused"


def test_the_living_are_counted_by_queue_and_the_silent_forgotten(store: JobStore) -> None:
    store.redis.zadd("one", {"dead": 1})

    Script(store.redis, "say_alive")(["one", "two"], ["w", 10])

    assert Script(store.redis, "count_alive")(["one", "two", "three"], [10]) == [1, 1, 0]
    assert store.redis.zscore("one", "dead") is None


def test_spend_refuses_what_is_too_much_and_takes_back(store: JobStore) -> None:
    spend = Script(store.redis, "spend")

    assert [spend(["day"], [hours, 10, 60]) for hours in (6, 5, -3, 5)] == [1, 0, 1, 1]
    assert store.redis.get("day") == "8"
    assert 0 < store.redis.ttl("day") <= 60
    assert spend(["day"], [-100, 10, 60]) == 1
    assert store.redis.get("day") == "0"


def test_requests_are_counted_in_a_window_that_the_first_one_begins(store: JobStore) -> None:
    count = Script(store.redis, "count_request")

    assert [count(["window"], [60, 1])[0] for _ in range(3)] == [1, 2, 3]
    store.redis.pexpire("window", 30_000)
    requests, left_ms = count(["window"], [60, 2])
    assert (requests, 29_000 < left_ms <= 30_000) == (5, True)
    store.redis.persist("window")  # one that would never end
    assert count(["window"], [60, 1]) == [6, 60_000]
    assert 59_000 < store.redis.pttl("window") <= 60_000
