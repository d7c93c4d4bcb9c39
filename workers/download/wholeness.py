"""Whether a segment ends where its format says, told from a few of its bytes."""

from collections.abc import Callable

TS_PACKET_BYTES = 188
TS_SYNC = 0x47
PAGE_BEGINS = (b"<", b"{", b"[")
MAX_BOXES = 100_000
FIRST_BOXES = (b"styp", b"moof", b"ftyp", b"sidx", b"emsg", b"prft")

ReadAt = Callable[[int, int], bytes]  # offset, count


def looks_whole(read_at: ReadAt, size: int) -> bool:
    """Whole TS packets, or whole MP4 boxes. Other formats pass, but no page that tells of an error."""
    if not size:
        return False
    head = read_at(0, 8)
    if head[:1] in PAGE_BEGINS:
        return False
    if head[0] == TS_SYNC:
        return size % TS_PACKET_BYTES == 0 and read_at(size - TS_PACKET_BYTES, 1)[0] == TS_SYNC
    if head[4:8] in FIRST_BOXES:
        return _boxes_end(read_at, size) == size
    return True


def _boxes_end(read_at: ReadAt, end: int) -> int:
    at = 0
    for _ in range(MAX_BOXES):
        if at + 8 > end:
            break
        head = read_at(at, 16)
        size = int.from_bytes(head[:4], "big")
        if size == 1 and len(head) == 16:
            size = int.from_bytes(head[8:], "big")
        if size < 8:
            return end if size == 0 else -1
        at += size
    return at
