"""The run-time scalars: one small buffer that the host writes before each submission
(templates/glsl/lib/header.glsl).
"""

import struct
from dataclasses import dataclass, field

MAX_SEQUENCES = 32
NBYTES = 16 + MAX_SEQUENCES * 32


@dataclass(frozen=True, slots=True)
class Sequence:
    """One sequence of a decode batch: where its token stands, which KV cache it uses, and how its next token is
    drawn.
    """

    position: int = 0
    slot: int = 0
    seed: int = 0
    top_k: int = 0  # 0: no limit
    temperature: float = 0.0  # 0: greedy
    top_p: float = 1.0  # 1: no limit
    penalty: float = 1.0  # of tokens that occurred; 1: none


@dataclass(frozen=True, slots=True)
class Params:
    """`rows` live rows (tokens of a prefill chunk or sequences of a decode batch); `start` and `slot` are a prefill
    chunk's; `step` is what the counters of a chain reach in this step (kernelrt.chain).
    """

    rows: int
    start: int = 0
    slot: int = 0
    sequences: tuple[Sequence, ...] = field(default=())
    step: int = 0

    def pack(self) -> bytes:
        """The buffer's NBYTES bytes. Raises ValueError for more than MAX_SEQUENCES sequences."""
        if len(self.sequences) > MAX_SEQUENCES:
            raise ValueError(f"{len(self.sequences)} sequences; a batch holds at most {MAX_SEQUENCES}")
        head = struct.pack("<4I", self.step, self.rows, self.start, self.slot)
        body = b"".join(
            struct.pack("<4I3fI", s.position, s.slot, s.seed, s.top_k, s.temperature, s.top_p, s.penalty, 0)
            for s in self.sequences
        )
        return (head + body).ljust(NBYTES, b"\0")
