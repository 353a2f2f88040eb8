"""What the host writes before a submission: tokens, and the run-time scalars."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kernelrt.buffers import in_lane, in_turn
from kernelrt.calls import PARAMS
from kernelrt.gpu.memory import Buffer
from kernelrt.params import Params
from kernelrt.params import Sequence as Scalars
from kernelrt.sampling import Sampling


@dataclass(frozen=True, slots=True)
class Inputs:
    """The input buffers of a lane or of a turn, mapped."""

    params: memoryview
    tokens: NDArray[np.uint32]

    @staticmethod
    def of(buffers: Mapping[str, Buffer], lane: int) -> "Inputs":
        """Those of a lane among the buffers of a run."""
        return Inputs(buffers[in_lane(PARAMS, lane)].view(), words(buffers[in_lane("tokens", lane)]))

    @staticmethod
    def in_turn(buffers: Mapping[str, Buffer], turn: int) -> "Inputs":
        """Those of a turn: `tokens` are the results of the other one."""
        return Inputs(buffers[in_turn(PARAMS, turn)].view(), words(buffers[in_turn("tokens", turn)]))

    def write(self, tokens: NDArray[np.uint32] | Sequence[int], params: Params) -> None:
        """Writes them. No submission that reads them may be under way."""
        self.tokens[: len(tokens)] = tokens
        self.tell(params)

    def tell(self, params: Params) -> None:
        """Writes the scalars alone. No submission that reads them may be under way."""
        packed = params.pack()
        self.params[: len(packed)] = packed


def words(buffer: Buffer) -> NDArray[np.uint32]:
    """A mapped buffer's words themselves, u32 [nbytes / 4]."""
    return np.frombuffer(buffer.view(), np.uint32)


def smallest(sizes: Mapping[int, object], rows: int) -> int:
    """The smallest size that holds `rows`."""
    return min(size for size in sizes if size >= rows)


def scalars(position: int, slot: int, sampling: Sampling) -> Scalars:
    """What the kernels are told of a sequence."""
    return Scalars(
        position=position,
        slot=slot,
        seed=sampling.seed,
        top_k=sampling.top_k,
        temperature=sampling.temperature,
        top_p=sampling.top_p,
        penalty=sampling.repetition_penalty,
    )
