"""What the machine, its programs, the recordings and Twitch do."""

import gzip
import json
import mmap
import os
import signal
import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path

import av
import billiard.pool
import numpy as np
import redis

from shared import jobs
from shared.artifacts.folder import FolderStore
from shared.artifacts.store import storage_errors
from shared.errors import WorkerLost
from shared.jobs import Job, utc_now
from shared.progress import silent
from shared.redis.store import JobStore
from shared.source_url import classify_url
from tests.conftest import ROOT, wait_until
from tests.integration.provoked import ASKED_S, Place, in_child, killed_by, row
from workers.download.chat_import import import_chat
from workers.download.local import regular_file
from workers.media.clips import cut_clip
from workers.media.cutting import Span, cut
from workers.media.demux import mp4_output
from workers.media.ffmpeg import ffmpeg_path
from workers.media.remux import probe
from workers.transcription.models import load

AS_NOBODY = "os.geteuid() or os.setuid(65534)"
OUTPUT = 'for last; do :; done; output="${last#file:}"'


def clip(place: Place, ffmpeg: str, *, video: Path | None = None) -> None:
    into = place.folder / "01.mp4"
    cut_clip(video or place.video, begins_at_s=0, start_s=0, end_s=2, into=into, ffmpeg=ffmpeg)


# --- memory -----------------------------------------------------------------------------------------------------------


@row("OUT_OF_MEMORY")
def python_gets_no_memory(place: Place) -> None:
    bytearray(1 << 62)


@row("OUT_OF_MEMORY")
def numpy_gets_no_memory(place: Place) -> None:
    np.zeros(1 << 55, dtype=np.uint8)


@row("OUT_OF_MEMORY")
def the_system_maps_no_memory(place: Place) -> None:
    mmap.mmap(-1, 1 << 55)


@row("OUT_OF_MEMORY")
def a_limited_process_gets_no_memory(place: Place) -> None:
    in_child("resource.setrlimit(resource.RLIMIT_AS, (1 << 29, 1 << 29))\nbytearray(1 << 30)")


@row("OUT_OF_MEMORY")
def no_thread_can_be_started(place: Place) -> None:
    in_child(
        "resource.setrlimit(resource.RLIMIT_AS, (1 << 29, 1 << 29))\n"
        "threading.stack_size(1 << 30)\n"
        "threading.Thread(target=print).start()"
    )


@row("OUT_OF_MEMORY")
def ffmpeg_is_killed(place: Place) -> None:
    """By SIGKILL in the middle of its work, as the kernel does to whoever holds most memory."""
    note = place.folder / "pid"
    endless = f'exec "{ffmpeg_path()}" -re -f lavfi -i testsrc -f null -'
    ffmpeg = place.program(f'echo $$ > "{note}.new"; mv "{note}.new" "{note}"; {endless}')
    threading.Thread(target=_kill_when_noted, args=(note,), daemon=True).start()
    clip(place, ffmpeg)


def _kill_when_noted(note: Path) -> None:
    wait_until(note.exists)
    os.kill(int(note.read_text()), signal.SIGKILL)


@row("OUT_OF_MEMORY")
def a_program_is_killed(place: Place) -> None:
    killed_by(signal.SIGKILL)


# --- room, files ------------------------------------------------------------------------------------------------------


@row("INSUFFICIENT_STORAGE")
def python_writes_to_a_full_disk(place: Place) -> None:
    place.full().write_bytes(b"x")


@row("INSUFFICIENT_STORAGE")
def the_folder_store_writes_to_a_full_disk(place: Place) -> None:
    with storage_errors():
        place.full().write_bytes(b"x")


@row("INSUFFICIENT_STORAGE")
def pyav_writes_to_a_full_disk(place: Place) -> None:
    with av.open(f"file:{place.full()}", "w", format="wav") as output:
        output.add_stream("pcm_s16le", rate=8000)
        output.start_encoding()


@row("INSUFFICIENT_STORAGE")
def the_download_writes_to_a_full_disk(place: Place) -> None:
    with mp4_output(place.full()) as output, av.open(str(place.video)) as source:
        stream = source.streams.audio[0]
        copied = output.add_stream_from_template(stream)
        for packet in source.demux(stream):
            packet.stream = copied
            output.mux(packet)


@row("INSUFFICIENT_STORAGE")
def a_piece_of_sound_is_cut_onto_a_full_disk(place: Place) -> None:
    cut(place.video, Span(0.0, 2.0), place.full())


@row("INSUFFICIENT_STORAGE")
def ffmpeg_writes_to_a_full_disk(place: Place) -> None:
    clip(place, place.program(f'{OUTPUT}; ln -s /dev/full "$output"; exec "{ffmpeg_path()}" "$@"'))


@row("INSUFFICIENT_STORAGE")
def an_old_ffmpeg_tells_of_a_full_disk_in_words_only(place: Place) -> None:
    clip(place, place.program(f'{OUTPUT}; ln -s /dev/full "$output"; "{ffmpeg_path()}" "$@"; exit 1'))


@row("INSUFFICIENT_STORAGE")
def ffmpeg_may_not_write_so_much(place: Place) -> None:
    clip(place, place.program(f'ulimit -f 1; exec "{ffmpeg_path()}" "$@"'))


@row("INSUFFICIENT_STORAGE")
def python_may_not_write_so_much(place: Place) -> None:
    path = place.folder / "file"
    in_child(f"resource.setrlimit(resource.RLIMIT_FSIZE, (10, 10))\nPath({str(path)!r}).write_bytes(bytes(99))")


@row("SERVICE_UNAVAILABLE")
def too_many_files_are_open(place: Place) -> None:
    in_child("resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))\nopen('/dev/null')")


@row("FILE_NOT_FOUND")
def python_finds_no_file(place: Place) -> None:
    (place.folder / "none").read_bytes()


@row("FILE_NOT_FOUND")
def a_part_of_the_path_is_no_folder(place: Place) -> None:
    (place.video / "none").read_bytes()


@row("FILE_NOT_FOUND")
def pyav_finds_no_file(place: Place) -> None:
    av.open(str(place.folder / "none.mp4"))


@row("FILE_NOT_FOUND")
def the_folder_store_finds_no_file(place: Place) -> None:
    FolderStore(place.folder).fetch("job", "audio.m4a")


@row("PERMISSION_DENIED")
def a_file_is_somebody_elses(place: Place) -> None:
    path = place.folder / "secret"
    path.touch(mode=0o000)
    in_child(f"{AS_NOBODY}\nopen({str(path)!r})")


@row("PERMISSION_DENIED")
def an_operation_is_not_permitted(place: Place) -> None:
    in_child(f"{AS_NOBODY}\nos.kill(1, 0)")


@row("PERMISSION_DENIED")
def a_name_leads_out_of_the_media_folder(place: Place) -> None:
    regular_file(place.folder, "../secret")


@row("STORAGE_SERVICE_ERROR")
def a_read_fails(place: Place) -> None:
    with Path("/proc/self/mem").open("rb", buffering=0) as nothing_is_mapped_at_0:
        nothing_is_mapped_at_0.read(1)


@row("STORAGE_SERVICE_ERROR")
def a_read_of_the_folder_store_fails(place: Place) -> None:
    with storage_errors():
        a_read_fails(place)


# --- recordings -------------------------------------------------------------------------------------------------------


def garbage(place: Place) -> Path:
    path = place.folder / "garbage.mp4"
    path.write_bytes(b"\0\0\0\x18ftypisom" + bytes(range(256)) * 100)
    return path


@row("UNSUPPORTED_FORMAT")
def pyav_opens_garbage(place: Place) -> None:
    av.open(str(garbage(place)))


@row("UNSUPPORTED_FORMAT")
def the_download_opens_garbage(place: Place) -> None:
    probe(garbage(place))


@row("UNSUPPORTED_FORMAT")
def ffmpeg_opens_garbage(place: Place) -> None:
    clip(place, ffmpeg_path(), video=garbage(place))


@row("UNSUPPORTED_FORMAT")
def ffmpeg_crashes(place: Place) -> None:
    clip(place, place.program("kill -SEGV $$"))


@row("UNSUPPORTED_FORMAT")
def a_program_does_not_like_its_input(place: Place) -> None:
    subprocess.run([ffmpeg_path(), "-i", str(garbage(place))], check=True, capture_output=True)


@row("UNSUPPORTED_FORMAT")
def a_file_is_a_folder(place: Place) -> None:
    place.folder.read_bytes()


@row("TRANSCRIPTION_SERVICE_ERROR")
def a_speech_model_is_broken(place: Place) -> None:
    (place.folder / "model.bin").touch()
    load(place.folder, 1)


# --- time, processes --------------------------------------------------------------------------------------------------


@row("PROCESSING_TIMEOUT")
def a_program_does_not_end(place: Place) -> None:
    subprocess.run(["sleep", "60"], timeout=0.1, check=True)


@row("PROCESSING_TIMEOUT")
def a_program_uses_up_its_processor_time(place: Place) -> None:
    killed_by(signal.SIGXCPU)


@row("PROCESSING_TIMEOUT")
def celerys_pool_ends_what_takes_too_long(place: Place) -> None:
    pool = billiard.pool.Pool(1, soft_timeout=0.1)
    try:
        pool.apply(time.sleep, (60,))
    finally:
        pool.terminate()
        pool.join()


@row("WORKER_LOST")
def three_processes_die_in_one_stage(place: Place) -> None:
    client = place.stack.enter_context(redis.Redis.from_url(place.valkey, decode_responses=True))
    client.flushall()
    store = JobStore(client)
    now = utc_now()
    source = {"kind": "local", "ref": "a"}
    new = Job(job_id="j", owner="", url="file:a", source=source, fingerprint="f", created_at=now, updated_at=now)
    store.create(new, max_active=1)
    for _ in range(jobs.MAX_DEATHS):
        _claim_and_die(place.valkey)
        job = store.get("j")
        store.change("j", partial(jobs.lose, token=job.token, now=utc_now()), lease="drop")
    error = store.get("j").error
    raise WorkerLost(error.detail) if error and error.code == "WORKER_LOST" else AssertionError(error)


def _claim_and_die(valkey: str) -> None:
    program = (
        "import os, redis, signal\n"
        "from functools import partial\n"
        "from shared import jobs\n"
        "from shared.stages import STAGES\n"
        "from shared.redis.store import JobStore\n"
        f"store = JobStore(redis.Redis.from_url({valkey!r}, decode_responses=True))\n"
        "claim = partial(jobs.claim, stage=STAGES[0], attempt=1, holder=f'here:{os.getpid()}:x', now=jobs.utc_now())\n"
        "store.change('j', claim, lease='take')\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    ended = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, timeout=30, check=False)
    assert ended.returncode == -signal.SIGKILL, ended.stderr.decode()


@row("UNCLASSIFIED_ERROR")
def somebody_stops_ffmpeg(place: Place) -> None:
    clip(place, place.program("kill -TERM $$"))


@row("UNCLASSIFIED_ERROR")
def there_is_no_ffmpeg(place: Place) -> None:
    clip(place, str(place.folder / "none"))


@row("UNCLASSIFIED_ERROR")
def we_made_a_mistake(place: Place) -> None:
    json.loads("{")


@row("UNCLASSIFIED_ERROR")
def we_made_a_mistake_while_another_error_was_handled(place: Place) -> None:
    try:
        python_finds_no_file(place)
    except OSError:
        [][0]


# --- videos and chats -------------------------------------------------------------------------------------------------


@row("INVALID_TWITCH_URL")
def an_address_is_no_vods(place: Place) -> None:
    classify_url("https://www.twitch.tv/somebody", media_hosts=(), local_allowed=False)


@row("VIDEO_NOT_FOUND")
def twitch_knows_no_such_vod(place: Place) -> None:
    place.twitch.fresh()
    place.twitch.source("43").describe()


@row("VIDEO_UNAVAILABLE")
def a_vod_is_private(place: Place) -> None:
    place.twitch.fresh(access="private")
    place.twitch.source().describe()


@row("VIDEO_UNAVAILABLE")
def a_vod_is_for_subscribers(place: Place) -> None:
    place.twitch.fresh(access="subscribers")
    place.twitch.source().describe()


@row("VIDEO_SIZE_EXCEEDED")
def a_vod_is_too_long(place: Place) -> None:
    place.twitch.fresh(length_seconds=2 * 3600)
    place.twitch.source(max_hours=1).describe()


@row("RATE_LIMIT_EXCEEDED", retry_after_s=ASKED_S)
def twitch_tells_us_to_slow_down(place: Place) -> None:
    place.twitch.fresh(seconds=16)
    place.twitch.fault("usher:", status=429, headers={"Retry-After": f"{ASKED_S:.0f}"})
    place.twitch.source().describe()


@row("CHAT_UNAVAILABLE")
def the_chat_file_breaks_off(place: Place) -> None:
    packed = gzip.compress(os.urandom(10_000))
    (place.folder / "chat.json.gz").write_bytes(packed[:5000])
    import_chat(place.folder / "chat.json.gz", place.folder / "chat.jsonl", work=place.folder, progress=silent)


@row("CHAT_UNAVAILABLE")
def the_chat_file_is_no_chat(place: Place) -> None:
    import_chat(place.video, place.folder / "chat.jsonl", work=place.folder, progress=silent)
