"""The bucket store on Google's two emulators: fake-gcs-server, and gcp-storage-emulator for interrupted uploads."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from shared.artifacts.cache import LEFT_BEHIND_S, FileCache
from shared.artifacts.gcs import RETRY, GcsStore
from shared.artifacts.store import Conflict, sha256_of
from shared.errors import CircuitOpen, FileMissing, KlipError, PermissionDenied, StorageServiceError
from shared.redis.breaker import FAIL_MAX, Breakers
from shared.redis.store import JobStore
from tests.conftest import ROOT
from tests.peers.flaky import FlakyProxy, running_proxy
from tests.peers.gcs import make_bucket, objects, running_fake_gcs, running_gcp_emulator

MIB = 2**20
QUICK = "shared.artifacts.gcs.RETRY"


@pytest.fixture(scope="module")
def fake_gcs() -> Iterator[str]:
    with running_fake_gcs() as url:
        yield url


@pytest.fixture
def proxy(fake_gcs: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[FlakyProxy]:
    with running_proxy(fake_gcs) as running:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", running.url)
        yield running


@pytest.fixture
def bucket(fake_gcs: str) -> str:
    name = f"klip-{uuid4().hex[:12]}"
    make_bucket(fake_gcs, name)
    return name


@pytest.fixture
def gcs(proxy: FlakyProxy, bucket: str, tmp_path: Path) -> GcsStore:
    return new_store(bucket, tmp_path / "cache")


_opened: list[GcsStore] = []


def new_store(
    bucket: str, cache: Path, *, prefix: str = "some/prefix", limit_bytes: int = 2**30, breakers: Breakers | None = None
) -> GcsStore:
    """A store as on a machine whose cache this is; closed after the test."""
    files = FileCache(cache, limit_bytes=limit_bytes)
    _opened.append(GcsStore(bucket, prefix, cache=files, breakers=breakers, chunk_bytes=MIB))
    return _opened[-1]


@pytest.fixture(autouse=True)
def _close_what_was_opened() -> Iterator[None]:
    yield
    while _opened:
        _opened.pop().close()


def a_file(folder: Path, name: str = "audio.m4a", *, size: int = 1000) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_bytes(os.urandom(size))
    return path


def test_a_file_comes_back_whole_on_another_machine(gcs: GcsStore, bucket: str, tmp_path: Path) -> None:
    source = a_file(tmp_path / "work", size=3 * MIB)
    checksum = sha256_of(source)

    gcs.put("job1", "audio.m4a", source)

    elsewhere = new_store(bucket, tmp_path / "other-machine")
    assert sha256_of(elsewhere.fetch("job1", "audio.m4a")) == checksum
    assert elsewhere.names("job1") == ["audio.m4a"]


def test_a_file_that_was_fetched_is_not_downloaded_again(
    gcs: GcsStore, proxy: FlakyProxy, bucket: str, tmp_path: Path
) -> None:
    gcs.put("job1", "audio.m4a", a_file(tmp_path / "work"))
    elsewhere = new_store(bucket, tmp_path / "other-machine")
    elsewhere.fetch("job1", "audio.m4a")
    again = new_store(bucket, tmp_path / "other-machine")
    proxy.requests.clear()

    again.fetch("job1", "audio.m4a")

    assert not [request for request in proxy.requests if "alt=media" in request]


def test_a_cached_file_that_was_damaged_is_fetched_again(gcs: GcsStore, bucket: str, tmp_path: Path) -> None:
    source = a_file(tmp_path / "work")
    checksum = sha256_of(source)
    gcs.put("job1", "audio.m4a", source)
    new_store(bucket, tmp_path / "other-machine").fetch("job1", "audio.m4a").write_bytes(b"damaged")

    assert sha256_of(new_store(bucket, tmp_path / "other-machine").fetch("job1", "audio.m4a")) == checksum


def test_a_new_version_replaces_the_old_one_everywhere(gcs: GcsStore, tmp_path: Path) -> None:
    gcs.put("job1", "audio.m4a", a_file(tmp_path / "work"))
    gcs.fetch("job1", "audio.m4a")
    second = a_file(tmp_path / "work")
    checksum = sha256_of(second)

    gcs.put("job1", "audio.m4a", second)

    assert sha256_of(gcs.fetch("job1", "audio.m4a")) == checksum


def test_several_files_go_up_at_once(gcs: GcsStore, bucket: str, fake_gcs: str, tmp_path: Path) -> None:
    files = {f"clips/{n:02}.mp4": a_file(tmp_path / "work", f"{n}.mp4") for n in range(12)}

    gcs.put_all("job1", files)

    assert objects(fake_gcs, bucket) == [f"some/prefix/job1/{name}" for name in files]


def test_a_missing_file_is_told(gcs: GcsStore) -> None:
    with pytest.raises(FileMissing):
        gcs.fetch("job1", "audio.m4a")
    with pytest.raises(FileMissing):
        gcs.read("job1", "manifest.json")


def test_a_manifest_is_written_only_over_the_version_that_was_read(gcs: GcsStore) -> None:
    gcs.write("job1", "manifest.json", b"1", generation=None)
    data, generation = gcs.read("job1", "manifest.json")
    gcs.write("job1", "manifest.json", b"2", generation=generation)

    with pytest.raises(Conflict):
        gcs.write("job1", "manifest.json", b"3", generation=generation)
    with pytest.raises(Conflict):
        gcs.write("job1", "manifest.json", b"4", generation=None)
    assert data == b"1"
    assert gcs.read("job1", "manifest.json")[0] == b"2"


def test_two_writers_do_not_mix(gcs: GcsStore, bucket: str, tmp_path: Path) -> None:
    sources = [a_file(tmp_path / f"w{n}", size=9 * MIB) for n in range(2)]
    checksums = {sha256_of(source) for source in sources}
    threads = [threading.Thread(target=gcs.put, args=("job1", "audio.m4a", source)) for source in sources]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert sha256_of(new_store(bucket, tmp_path / "other").fetch("job1", "audio.m4a")) in checksums


def test_every_third_call_failing_all_files_arrive_with_right_checksums(
    gcs: GcsStore, proxy: FlakyProxy, bucket: str, tmp_path: Path
) -> None:
    files = {f"f{n}.bin": a_file(tmp_path / "work", f"{n}.bin", size=1 + n * 3 * MIB) for n in range(4)}
    checksums = {name: sha256_of(path) for name, path in files.items()}
    proxy.fail = lambda _method, _path, number: number % 3 == 0

    gcs.put_all("job1", files)
    elsewhere = new_store(bucket, tmp_path / "other-machine")
    fetched = {name: sha256_of(elsewhere.fetch("job1", name)) for name in elsewhere.names("job1")}

    assert fetched == checksums
    assert proxy.failed > 3


def test_deleting_a_job_leaves_its_neighbours_alone(
    gcs: GcsStore, bucket: str, fake_gcs: str, proxy: FlakyProxy, tmp_path: Path
) -> None:
    for job_id in ("job1", "job10", "job"):
        gcs.put(job_id, "a.txt", a_file(tmp_path / "work"))
        gcs.put(job_id, "clips/01.mp4", a_file(tmp_path / "work"))
    new_store(bucket, tmp_path / "c2", prefix="some/prefix2").put("job1", "a.txt", a_file(tmp_path / "work"))

    gcs.delete("job1")

    assert objects(fake_gcs, bucket) == [
        "some/prefix/job/a.txt",
        "some/prefix/job/clips/01.mp4",
        "some/prefix/job10/a.txt",
        "some/prefix/job10/clips/01.mp4",
        "some/prefix2/job1/a.txt",
    ]


@pytest.mark.parametrize("job_id", ["", ".", "..", "job1/..", "../prefix2/job1", "a/b", "job1 "])
def test_a_job_id_that_is_none_reaches_nothing(gcs: GcsStore, job_id: str) -> None:
    with pytest.raises(FileMissing):
        gcs.delete(job_id)
    with pytest.raises(FileMissing):
        gcs.delete("job1", ["../job2/a.txt"])


def test_named_files_go_and_what_is_not_there_counts_as_gone(gcs: GcsStore, tmp_path: Path) -> None:
    gcs.put_all("job1", {name: a_file(tmp_path / "work", name) for name in ("a.txt", "b.txt")})

    gcs.delete("job1", ["a.txt", "never.txt"])

    assert gcs.names("job1") == ["b.txt"]


def test_more_files_than_a_page_holds_are_listed_and_removed(gcs: GcsStore, bucket: str, fake_gcs: str) -> None:
    for number in range(5):
        gcs.write("job1", f"{number}.json", b"{}", generation=None)
    many = gcs._bucket.list_blobs(prefix="some/prefix/job1/", page_size=2)

    assert len(list(many)) == len(gcs.names("job1")) == 5
    gcs.delete("job1")
    assert objects(fake_gcs, bucket) == []


def test_without_a_key_the_web_sends_the_file_itself(gcs: GcsStore, tmp_path: Path) -> None:
    gcs.put("job1", "a.txt", a_file(tmp_path / "work"))

    served = gcs.serve("job1", "a.txt")

    assert served.url is None
    assert served.path is not None
    assert served.path.stat().st_size == 1000


@pytest.fixture
def service_account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    account = "klip@project.iam.gserviceaccount.com"
    record = {
        "type": "service_account",
        "client_email": account,
        "private_key": private.decode(),
        "private_key_id": "1",
        "project_id": "project",
        "token_uri": "https://oauth2.googleapis.com/token",
    }
    (tmp_path / "key.json").write_text(json.dumps(record))
    monkeypatch.delenv("STORAGE_EMULATOR_HOST", raising=False)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "key.json"))
    return account


def test_with_a_key_a_file_is_served_by_a_signed_url_of_an_hour(service_account: str, tmp_path: Path) -> None:
    served = new_store("some-bucket", tmp_path / "cache").serve("job1", "clips/01.mp4")

    assert served.path is None
    assert served.url is not None
    assert served.url.startswith("https://storage.googleapis.com/some-bucket/some/prefix/job1/clips/01.mp4?")
    for part in ("X-Goog-Algorithm=GOOG4-RSA-SHA256", "X-Goog-Expires=3600", "response-content-type=video%2Fmp4"):
        assert part in served.url
    assert f"X-Goog-Credential={service_account.replace('@', '%40')}" in served.url


def test_a_bucket_that_is_not_there_is_a_storage_error(proxy: FlakyProxy, tmp_path: Path) -> None:
    store = new_store("no-such-bucket", tmp_path / "cache")

    with pytest.raises(StorageServiceError):
        store.put("job1", "a.txt", a_file(tmp_path / "work"))
    with pytest.raises(StorageServiceError):
        store.check()


def test_a_bucket_that_can_be_written_passes_the_check(gcs: GcsStore, proxy: FlakyProxy) -> None:
    for _ in range(5):
        gcs.check()

    assert len([request for request in proxy.requests if request.startswith("POST")]) == 1


def test_no_credentials_are_told_clearly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STORAGE_EMULATOR_HOST", raising=False)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "none.json"))

    with pytest.raises(PermissionDenied, match="GOOGLE_APPLICATION_CREDENTIALS"):
        new_store("some-bucket", tmp_path / "cache").names("job1")


def test_its_breaker_opens_when_the_service_is_down(
    store: JobStore, proxy: FlakyProxy, bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(QUICK, None)
    proxy.fail = lambda _method, _path, _number: True
    gcs = new_store(bucket, tmp_path / "cache", breakers=Breakers(store.redis))
    for number in range(FAIL_MAX):
        with pytest.raises(StorageServiceError):
            gcs.names(f"job{number}")
    before = len(proxy.requests)

    with pytest.raises(CircuitOpen):
        gcs.names("job1")
    assert len(proxy.requests) == before


def test_an_object_that_the_service_cannot_give_out_closes_it_to_nobody(
    store: JobStore, proxy: FlakyProxy, bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(QUICK, None)
    monkeypatch.setattr("shared.redis.breaker.COUNTS_EVERY_S", 0.0)
    proxy.fail = lambda _method, path, _number: "sick" in path
    gcs = new_store(bucket, tmp_path / "cache", breakers=Breakers(store.redis))
    for _ in range(3 * FAIL_MAX):
        with pytest.raises(StorageServiceError):
            gcs.fetch("sick", "audio.m4a")

    assert gcs.names("healthy") == []


def test_the_clients_own_retries_stop_at_the_open_breaker(
    store: JobStore, proxy: FlakyProxy, bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(QUICK, RETRY.with_delay(initial=0.01, maximum=0.05))
    gcs = new_store(bucket, tmp_path / "cache", breakers=Breakers(store.redis))
    proxy.down = True
    file = a_file(tmp_path / "work")

    with ThreadPoolExecutor(FAIL_MAX) as pool:
        tries = [pool.submit(gcs.put, f"job{number}", "audio.m4a", file) for number in range(FAIL_MAX)]
        errors = [one.exception() for one in tries]

    assert {type(error) for error in errors} == {CircuitOpen}
    assert FAIL_MAX <= proxy.hung_up < 3 * FAIL_MAX


@pytest.mark.parametrize("refusal", [404, 403, 412, 429])
def test_a_refusal_is_no_failure_of_the_service(
    store: JobStore, proxy: FlakyProxy, bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refusal: int
) -> None:
    monkeypatch.setattr(QUICK, None)
    gcs = new_store(bucket, tmp_path / "cache", breakers=Breakers(store.redis))
    proxy.fail, proxy.refusal = lambda _method, _path, _number: True, lambda _number: (refusal, {})
    for number in range(FAIL_MAX + 1):
        with pytest.raises((KlipError, Conflict)):
            gcs.names(f"job{number}")

    assert not Breakers(store.redis).of("gcs", about="any").is_open()


def test_a_file_that_is_described_with_nothing_is_an_error(gcs: GcsStore, proxy: FlakyProxy, tmp_path: Path) -> None:
    gcs.put("job1", "audio.m4a", a_file(tmp_path / "work"))
    proxy.spoil = lambda _method, path, body: body if "alt=media" in path else b"{}"

    with pytest.raises(StorageServiceError):
        gcs.fetch("job1", "audio.m4a")
    with pytest.raises(StorageServiceError):
        gcs.put("job1", "audio.m4a", a_file(tmp_path / "work"))


def test_answers_that_arrive_damaged_are_asked_for_again(
    gcs: GcsStore, proxy: FlakyProxy, bucket: str, tmp_path: Path
) -> None:
    source = a_file(tmp_path / "work")
    checksum = sha256_of(source)
    gcs.put("job1", "audio.m4a", source)
    lies = iter([b"<html>", None, b"", bytes(1000)])

    def spoil(_method: str, _path: str, body: bytes) -> bytes:
        lie = next(lies, None)
        return body if lie is None else lie

    proxy.spoil = spoil

    assert sha256_of(new_store(bucket, tmp_path / "other").fetch("job1", "audio.m4a")) == checksum
    assert next(lies, "told") == "told"


def test_an_interrupted_upload_goes_on_where_it_broke_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with running_gcp_emulator() as emulator, running_proxy(emulator) as proxy:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", proxy.url)
        make_bucket(emulator, "klip")
        store = new_store("klip", tmp_path / "cache")
        source = a_file(tmp_path / "work", size=12 * MIB + 17)
        checksum = sha256_of(source)
        proxy.cut_after, proxy.cuts = MIB // 2, 3

        store.put("job1", "audio.m4a", source)

        assert proxy.cuts == 0
        assert proxy.received_bytes < 12 * MIB + 3 * MIB
        assert sha256_of(new_store("klip", tmp_path / "other").fetch("job1", "audio.m4a")) == checksum


def test_the_least_recently_used_files_leave_the_cache_first(proxy: FlakyProxy, bucket: str, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    gcs = new_store(bucket, tmp_path / "uploads")
    for number in range(8):
        gcs.put(f"job{number}", "a.bin", a_file(tmp_path / "work", size=1000))
    reader = new_store(bucket, cache, limit_bytes=3000)

    for number in (0, 1, 2, 3, 4, 5, 0, 6, 7):
        reader.fetch(f"job{number}", "a.bin")

    # The last four groups are in use and stay, whatever the limit.
    assert len(list(cache.iterdir())) == 4


def test_a_file_in_use_by_another_process_stays_in_the_cache(tmp_path: Path) -> None:
    cache = FileCache(tmp_path / "cache", limit_bytes=1500)
    script = f"""
import sys
from pathlib import Path
from shared.artifacts.cache import FileCache
cache = FileCache(Path({str(tmp_path / "cache")!r}), limit_bytes=1500)
print(cache.get("k/a", group="g", fill=lambda p: p.write_bytes(b"x" * 1000), check=lambda p: True), flush=True)
sys.stdin.read()
"""
    with subprocess.Popen(
        [sys.executable, "-c", script], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdin is not None
        held = Path(holder.stdout.readline().strip())
        for number in range(8):
            cache.get(f"k/{number}", group=str(number), fill=lambda path: _fill(path), check=lambda _path: True)
        assert held.exists()
        holder.stdin.close()
        holder.wait(10)

    cache.get("k/9", group="9", fill=_fill, check=lambda _path: True)
    assert not held.exists()


def test_what_a_killed_process_left_half_is_removed_after_a_day(tmp_path: Path) -> None:
    cache = FileCache(tmp_path / "cache")
    for name, age_s in (("old", LEFT_BEHIND_S + 60), ("young", 60)):
        (tmp_path / "cache" / f".new-{name}").mkdir(parents=True)
        then = time.time() - age_s
        os.utime(tmp_path / "cache" / f".new-{name}", (then, then))

    cache.get("k/a", group="a", fill=_fill, check=lambda _path: True)

    assert [path.name for path in (tmp_path / "cache").glob(".new-*")] == [".new-young"]


def _fill(path: Path) -> None:
    path.write_bytes(b"y" * 1000)
