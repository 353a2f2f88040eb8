"""The registers of a buffer descriptor of npu1 (AM025: DMA_BD0_0 and its neighbours)."""

from collections.abc import Mapping

from kernelrt.npu import hardware

BD_BASE: dict[hardware.Kind, int] = {"shim": 0x1D000, "memory": 0xA0000, "compute": 0x1D000}

# Field: (word, lowest bit, width). Names are those of aiex.npu.writebd.
_SHIM = {
    "buffer_length": (0, 0, 32),
    "enable_packet": (2, 30, 1),
    "packet_id": (2, 19, 5),
    "packet_type": (2, 16, 3),
    "d0_size": (3, 20, 10),
    "d0_stride": (3, 0, 20),
    "d1_size": (4, 20, 10),
    "d1_stride": (4, 0, 20),
    "d2_stride": (5, 0, 20),
    "iteration_size": (6, 20, 6),
    "iteration_stride": (6, 0, 20),
    "next_bd": (7, 27, 4),
    "use_next_bd": (7, 26, 1),
    "valid_bd": (7, 25, 1),
    "lock_rel_val": (7, 18, 7),
    "lock_rel_id": (7, 13, 4),
    "lock_acq_enable": (7, 12, 1),
    "lock_acq_val": (7, 5, 7),
    "lock_acq_id": (7, 0, 4),
}
_MEMORY = {
    "enable_packet": (0, 31, 1),
    "packet_type": (0, 28, 3),
    "packet_id": (0, 23, 5),
    "buffer_length": (0, 0, 17),
    "d0_zero_before": (1, 26, 6),
    "next_bd": (1, 20, 6),
    "use_next_bd": (1, 19, 1),
    "buffer_offset": (1, 0, 19),
    "d0_size": (2, 17, 10),
    "d0_stride": (2, 0, 17),
    "d1_zero_before": (3, 27, 5),
    "d1_size": (3, 17, 10),
    "d1_stride": (3, 0, 17),
    "d2_zero_before": (4, 27, 4),
    "d2_size": (4, 17, 10),
    "d2_stride": (4, 0, 17),
    "d2_zero_after": (5, 28, 4),
    "d1_zero_after": (5, 23, 5),
    "d0_zero_after": (5, 17, 6),
    "iteration_size": (6, 17, 6),
    "iteration_stride": (6, 0, 17),
    "valid_bd": (7, 31, 1),
    "lock_rel_val": (7, 24, 7),
    "lock_rel_id": (7, 16, 8),
    "lock_acq_enable": (7, 15, 1),
    "lock_acq_val": (7, 8, 7),
    "lock_acq_id": (7, 0, 8),
}
_COMPUTE = {
    "buffer_offset": (0, 14, 14),
    "buffer_length": (0, 0, 14),
    "enable_packet": (1, 30, 1),
    "packet_id": (1, 19, 5),
    "packet_type": (1, 16, 3),
    "d1_stride": (2, 13, 13),
    "d0_stride": (2, 0, 13),
    "d1_size": (3, 21, 8),
    "d0_size": (3, 13, 8),
    "d2_stride": (3, 0, 13),
    "iteration_size": (4, 13, 6),
    "iteration_stride": (4, 0, 13),
    "next_bd": (5, 27, 4),
    "use_next_bd": (5, 26, 1),
    "valid_bd": (5, 25, 1),
    "lock_rel_val": (5, 18, 7),
    "lock_rel_id": (5, 13, 4),
    "lock_acq_enable": (5, 12, 1),
    "lock_acq_val": (5, 5, 7),
    "lock_acq_id": (5, 0, 4),
}
FIELDS: dict[hardware.Kind, Mapping[str, tuple[int, int, int]]] = {
    "shim": _SHIM,
    "memory": _MEMORY,
    "compute": _COMPUTE,
}
_WORDS: dict[hardware.Kind, int] = {"shim": 8, "memory": 8, "compute": 6}


def pack(kind: hardware.Kind, fields: Mapping[str, int]) -> list[int]:
    """The words of a BD. As in mlir-aie, `buffer_offset` is in bytes on a compute tile, in words on a memory tile."""
    words = [0] * _WORDS[kind]
    for name, (word, low, width) in FIELDS[kind].items():
        value = fields.get(name, 0)
        if name == "buffer_offset" and kind == "compute":
            value //= hardware.GRANULE
        words[word] |= (value & (1 << width) - 1) << low
    return words
