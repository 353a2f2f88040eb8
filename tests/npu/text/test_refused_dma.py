"""Wrong designs: buffer descriptors, channels, streams and runtime sequences."""

import pytest

from tests.npu.text.wrong import BUFFER, HALVES, IN, LOCK, MEMREF, dims, fifo, mem, memcpy, refused, sequence

LARGE = '%b = aie.buffer(%mem) {sym_name = "b"} : memref<65536xi32>\n'
WORDS = '%b = aie.buffer(%core2) {sym_name = "b"} : memref<4096xi32>\n'
WHOLE = f"aie.dma_bd(%b : {MEMREF})"
TASK = "aiex.dma_configure_task(%shim, MM2S, 0) {\naie.dma_bd(%x : memref<256xi32>, 0, 4)\naie.end\n}"

BDS = {
    "channel": (BUFFER + mem(WHOLE, channel="S2MM, 2", at="§"), "has 0 to 1"),
    "endless channel started twice": (
        f"{BUFFER}%d = aie.mem(%core2) {{\n%p = aie.dma(S2MM, 0) [{{\n{WHOLE}\n}}]\n"
        f"%q = §aie.dma(S2MM, 0) [{{\n{WHOLE}\n}}]\naie.end\n}}",
        "this one never starts",
    ),
    "BD id of the wrong parity": (
        LARGE
        + mem(
            "§aie.dma_bd(%b : memref<65536xi32>, 0, 8) {bd_id = 3 : i32}",
            channel="S2MM, 1",
            program="memtile_dma(%mem)",
        ),
        "BD 3 on channel 1, an odd one, of memory tile (0, 1): it can use BDs 24 to 47",
    ),
    "too many BDs": (BUFFER + mem(*[WHOLE] * 17, at="§"), "has 16 BDs, but 17 are needed (S2MM 0: 17)"),
    "two transfers in a BD": (BUFFER + mem(f"{WHOLE}\n§{WHOLE}"), "a BD has exactly one"),
    "two acquires": (
        BUFFER + LOCK + mem(f"aie.use_lock(%l, Acquire, 1)\n§aie.use_lock(%l, Acquire, 1)\n{WHOLE}"),
        "a second acquire in one BD",
    ),
    "release before the transfer": (
        BUFFER + LOCK + mem(f"§aie.use_lock(%l, Release, 1)\n{WHOLE}"),
        "before the dma_bd",
    ),
    "beyond its buffer": (BUFFER + mem(f"§aie.dma_bd(%b : {MEMREF}, 8, 12)"), "element 19 of b, which has 16"),
    "dimensions beyond the buffer": (
        BUFFER + mem(f"§aie.dma_bd(%b : {MEMREF}, 0, 8, {dims((4, 8), (2, 1))})"),
        "reaches element 25 of b",
    ),
    "too many dimensions": (
        BUFFER + mem(f"§aie.dma_bd(%b : {MEMREF}, 0, 4, {dims((1, 1), (1, 1), (1, 1), (4, 1))})"),
        "4 dimensions: the DMA of compute tile (0, 2) has 3",
    ),
    "length in part of a word": (HALVES + mem("§aie.dma_bd(%b : memref<64xbf16>, 0, 3)"), "length 3 is 6 bytes"),
    "offset in part of a word": (HALVES + mem("§aie.dma_bd(%b : memref<64xbf16>, 1, 2)"), "offset 1 is 2 bytes"),
    "transposing halves": (
        HALVES + mem(f"§aie.dma_bd(%b : memref<64xbf16>, 0, 64, {dims((8, 1), (8, 8))})"),
        "innermost stride 8: elements of 2 bytes move in words",
    ),
    "stride in part of a word": (
        HALVES + mem(f"§aie.dma_bd(%b : memref<64xbf16>, 0, 16, {dims((4, 5), (4, 1))})"),
        "stride 5 is 10 bytes",
    ),
    "size beyond its register": (
        WORDS + mem(f"§aie.dma_bd(%b : memref<4096xi32>, 0, 512, {dims((2, 1024), (256, 2))})"),
        "size 256 is 256 words: compute tile (0, 2) counts to 255",
    ),
    "size beyond mlir-aie": (
        LARGE
        + mem(f"§aie.dma_bd(%b : memref<65536xi32>, 0, 1200, {dims((2, 600), (600, 1))})", program="memtile_dma(%mem)"),
        "mlir-aie takes no dimension of more than 512",
    ),
    "stride beyond its register": (
        '%b = aie.buffer(%core2) {sym_name = "b"} : memref<16000xi32>\n'
        + mem(f"§aie.dma_bd(%b : memref<16000xi32>, 0, 4, {dims((2, 9000), (2, 1))})"),
        "stride 9000 is 9000 words",
    ),
    "length and dimensions disagree": (
        BUFFER + mem(f"§aie.dma_bd(%b : {MEMREF}, 0, 16, {dims((4, 2))})"),
        "the dimensions move 4 elements",
    ),
    "padding on a compute tile": (
        BUFFER
        + mem(
            f"§aie.dma_bd(%b : {MEMREF}, 0, 6, {dims((4, 1))}, [<const_pad_before = 1, const_pad_after = 1>])",
            channel="MM2S, 0",
        ),
        "only a memory tile's output (MM2S) pads",
    ),
    "iteration": (
        BUFFER + mem(f"§aie.dma_bd(%b : {MEMREF}) {{next_bd_id = 3 : i32}}"),
        "`next_bd_id` is not supported",
    ),
}

STREAMS = {
    "two flows into one port": (
        "aie.flow(%shim, DMA : 0, %core2, DMA : 0)\n§aie.flow(%core3, DMA : 0, %core2, DMA : 0)",
        "comes into DMA 0 of compute tile (0, 2), where a flow of line",
    ),
    "port": ("§aie.flow(%shim, DMA : 0, %core2, DMA : 2)", "is no port as a destination: there are 2"),
    "packet id": (
        "§aie.packet_flow(32) {\naie.packet_source<%shim, DMA : 0>\naie.packet_dest<%mem, DMA : 0>\n}",
        "packet id 32: five bits hold 0 to 31",
    ),
    "packet flow without a source": (
        "§aie.packet_flow(1) {\naie.packet_dest<%mem, DMA : 0>\n}",
        "no aie.packet_source",
    ),
    "cascade to no neighbour": ("%f = aie.tile(2, 2)\n§aie.cascade_flow(%core2, %f)", "to the east or to the south"),
    "cascade to the north": ("§aie.cascade_flow(%core2, %core3)", "to the east or to the south alone"),
    "cascade of a memory tile": ("§aie.cascade_flow(%core2, %mem)", "memory tile (0, 1) has no cascade"),
    "fifo on a taken port": (
        "aie.flow(%core3, DMA : 0, %core2, DMA : 0)\n§" + IN,
        "the lowering gives @in DMA 0 of compute tile (0, 2), which the flow of line",
    ),
}

SEQUENCES = {
    "no argument": (
        IN
        + BUFFER
        + sequence(
            "§aiex.npu.dma_memcpy_nd(%b[0, 0, 0, 0][1, 1, 1, 4][0, 0, 0, 1]) "
            f"{{id = 0 : i64, metadata = @in}} : {MEMREF}"
        ),
        "%b is no argument",
    ),
    "beyond its argument": (IN + memcpy(250, 16), "reaches element 265 of x, which has 256"),
    "offset in part of a word": (IN + memcpy(1, 16, "h"), "offset 1 is 2 bytes"),
    "three offsets": (
        IN + sequence("aiex.npu.dma_memcpy_nd(%x§[0, 0, 0][1, 1, 1, 4][0, 0, 0, 1]) {id = 0 : i64} : memref<256xi32>"),
        "3 offsets: dma_memcpy_nd takes 4",
    ),
    "BD id": (IN + memcpy(0, 4, fields="id = 16 : i64, metadata = @in"), "it can use BDs 0 to 15"),
    "for nobody": (IN + memcpy(0, 4, fields="id = 0 : i64"), "needs `metadata = @fifo`"),
    "fifo that is not on a shim": (fifo("in", "%mem", "%core2") + memcpy(0, 4), "@in has 0 ends on shim tiles"),
    "memory of the host on a compute tile": (
        sequence("%t = " + TASK.replace("%shim", "%core2").replace("aie.dma_bd", "§aie.dma_bd")),
        "x is memory of the host",
    ),
    "missing argument": (
        sequence(
            "§aiex.npu.address_patch {addr = 118788 : ui32, arg_idx = 7 : i32, arg_plus = 0 : i32}",
            "aiex.npu.writebd {bd_id = 0 : i32, buffer_length = 4 : i32, column = 0 : i32, row = 0 : i32, "
            "valid_bd = 1 : i32}",
            "aiex.npu.push_queue(0, 0, MM2S : 0) {bd_id = 0 : i32, issue_token = false, repeat_count = 0 : i32}",
        ),
        "argument 7: this sequence has 2 arguments",
    ),
    "unwritten BD": (
        sequence("§aiex.npu.push_queue(0, 0, MM2S : 0) {bd_id = 5 : i32, issue_token = false, repeat_count = 0 : i32}"),
        "BD 5 of shim tile (0, 0) is started, but was never written",
    ),
    "scalar argument": ("§aie.runtime_sequence(%n: i32) { }", "argument %n is i32"),
    "task without a token": (sequence(f"%t = {TASK}", "§aiex.dma_await_task(%t)"), "issues no token"),
    "not a task": (sequence("%c = arith.constant 1 : index", "§aiex.dma_start_task(%c)"), "%c is no task"),
    "tasks that hold all BDs": (
        sequence(*(f"%t{i} = {'§' if i == 16 else ''}{TASK}" for i in range(17))),
        "hold 17 BDs of shim tile (0, 0), which has 16: free finished ones",
    ),
    "repeat": (sequence(f"%t = §{TASK} {{repeat_count = 256 : i32}}"), "a channel's queue holds 0 to 255"),
    "endless loop": (
        sequence(
            "%0 = arith.constant 0 : index",
            "%1 = arith.constant 1 : index",
            "%m = arith.constant 9223372036854775807 : index",
            "§scf.for %i = %0 to %m step %1 {\n}",
        ),
        "its loops are unrolled",
    ),
    "sync of no channel": (
        sequence(
            "§aiex.npu.sync {channel = 2 : i32, column = 0 : i32, direction = 0 : i32, row = 0 : i32, "
            "column_num = 1 : i32, row_num = 1 : i32}"
        ),
        "has 0 to 1",
    ),
    "word beyond a buffer": (BUFFER + sequence("§aiex.npu.rtp_write(@b, 16, 1)"), "word 16 of b, which has 16"),
    "parameter of no buffer": (IN + sequence("§aiex.npu.rtp_write(@in, 0, 1)"), "@in is no aie.buffer"),
}


@pytest.mark.parametrize("name", BDS)
def test_what_a_bd_cannot_hold(name: str) -> None:
    refused(*BDS[name])


@pytest.mark.parametrize("name", STREAMS)
def test_what_a_stream_switch_cannot_do(name: str) -> None:
    refused(*STREAMS[name])


@pytest.mark.parametrize("name", SEQUENCES)
def test_what_a_runtime_sequence_cannot_do(name: str) -> None:
    refused(*SEQUENCES[name])
