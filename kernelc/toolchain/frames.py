"""Messages on a pipe: four bytes of length, little-endian, then the body."""

import struct
from typing import IO


def read_frame(stream: IO[bytes]) -> bytes | None:
    """The next frame; None at the end of the stream, or where it breaks off."""
    head = stream.read(4)
    if len(head) < 4:
        return None
    size = struct.unpack("<I", head)[0]
    body = stream.read(size)
    return body if len(body) == size else None


def write_frame(stream: IO[bytes], body: bytes) -> None:
    stream.write(struct.pack("<I", len(body)) + body)
    stream.flush()
