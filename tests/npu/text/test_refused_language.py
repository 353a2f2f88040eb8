"""Wrong designs: what the language does not allow, and what is no tile, no memory or no lock."""

import pytest

from tests.npu.text.wrong import BUFFER, HALVES, LOCK, MEMREF, core, fifo, mem, refused, sequence

LANGUAGE = {
    "unclosed brace": ("module §{ aie.device(npu1) { %t = aie.tile(0, 0) }", "never closed"),
    "unclosed core": ("aie.device(npu1) {\n%t = aie.tile(0, 2)\n%c = aie.core(%t) §{ aie.end", "never closed"),
    "extra brace": ("module { }\n§}", "closes nothing"),
    "unknown operation": ("§aie.tiel(0, 4)", "aie.tiel: this operation is not known"),
    "routed design": ("%s = §aie.switchbox(%core2) { }", "routed design"),
    "fifo operation outside a core": ("§aie.objectfifo.release @f(Consume, 1)", "inside aie.core"),
    "undefined value": ("%l = aie.lock(§%cora, 0)", "%cora is not defined here"),
    "used before its definition": ("%l = aie.lock(§%late, 0)\n%late = aie.tile(1, 2)", "%late is not defined"),
    "defined twice": ("§%mem = aie.tile(1, 1)", "already defined"),
    "symbol twice": (BUFFER + '%c = §aie.buffer(%core3) {sym_name = "b"} : memref<4xi32>', "@b is defined already, in"),
    "unknown symbol": (sequence("§aiex.npu.dma_wait {symbol = @nothing}"), "@nothing is not defined"),
    "wrong kind of symbol": (BUFFER + sequence("§aiex.npu.dma_wait {symbol = @b}"), "neither an aie.objectfifo nor"),
    "unknown direction": ("aie.shim_dma_allocation @a(%shim, §MM3S, 0)", "expected one of S2MM, MM2S"),
    "not a memref": ("%b = aie.buffer(%core2) : §i32", "a memref type is expected"),
    "dynamic memref": ("%b = aie.buffer(%core2) : §memref<?xi32>", "must be numbers"),
    "contents of another shape": ("%b = aie.buffer(%core2) : memref<4xi32> = dense§<[1, 2]>", "Shape mismatch"),
    "contents that are too large": (
        "%b = aie.buffer(%mem) : memref<9999999999xi32> = dense§<0>",
        "no memory of the array",
    ),
    "no lock": (BUFFER + mem("§aie.use_lock(%b, Release, 1)"), "operand 'lock' at position 0 does not verify"),
    "number that is too large": (
        "%t = aie.cascade_flow(%core2, %core3) {a = 99999999999999999999 : i64§}",
        "out of range",
    ),
    "no device": ("§module { }", "no aie.device"),
    "other device": ("§aie.device(npu2) { }", "aie.device(npu2) is not supported: use one of npu1"),
    "two devices": ("aie.device(npu1) @a { }\n§aie.device(npu1) @b { }", "2 devices"),
    "undefined in a core": (
        core("aie.use_lock(§%lokc, Release, 1)"),
        "%lokc is defined neither in this core nor above",
    ),
    "unknown function": (core("%r = §func.call @f() : () -> i32"), "no func.func declares it"),
    "computed outside": (
        "%i = arith.constant 1 : i32\n%j = arith.addi %i, %i : i32\n%c = §aie.core(%core2) {\n"
        "%k = arith.addi %j, %j : i32\naie.end\n}",
        "%j is computed outside of this core",
    ),
}

TILES = {
    "tile outside": ("%t = §aie.tile(4, 2)", "outside npu1, which has columns 0 to 3"),
    "tile twice": ("%t = §aie.tile(0, 2)", "declared already, in line 5"),
    "buffer on a shim": ("%b = §aie.buffer(%shim) : memref<4xi32>", "has no memory for a buffer"),
    "core on a memory tile": ("%c = §aie.core(%mem) { aie.end }", "memory tile (0, 1) has no core"),
    "two cores": (core("") + "\n%d = §aie.core(%core2) { aie.end }", "has a core already"),
    "core without an end": ("%c = §aie.core(%core2) { %x = arith.constant 1 : i32 }", "has no `aie.end`"),
    "mem on a memory tile": ("%d = §aie.mem(%mem) { aie.end }", "use aie.memtile_dma"),
    "two DMA programs": (
        "%d = aie.mem(%core2) { aie.end }\n%e = §aie.mem(%core2) { aie.end }",
        "has a DMA program already",
    ),
    "memory of a compute tile": (
        BUFFER + "%e = §aie.buffer(%core2) : memref<16000xi32>\n" + core("") + " {stack_size = 2048 : i32}",
        "compute tile (0, 2) has 65536 bytes of memory, but 66112 are needed (e: 64000, stack: 2048, b: 64)",
    ),
    "memory of a memory tile": (
        "§" + fifo("f", "%shim", "%mem", "3", "memref<65536xi32>"),
        "memory tile (0, 1) has 524288 bytes of memory, but 786432 are needed (@f 3 x 262144: 786432)",
    ),
    "buffers overlap": (
        f"%a = aie.buffer(%core2) {{address = 1024 : i32}} : {MEMREF}\n"
        f"%b = §aie.buffer(%core2) {{address = 1084 : i32}} : {MEMREF}",
        "b overlaps a",
    ),
    "address beyond the end": ("%a = §aie.buffer(%core2) {address = 65532 : i32} : memref<2xi32>", "end by 65536"),
    "lock id": ("%l = §aie.lock(%core2, 16)", "has locks 0 to 15"),
    "lock id twice": ("%l = aie.lock(%core2, 3)\n%m = §aie.lock(%core2, 3)", "is declared already, in line"),
    "lock value": ("%l = §aie.lock(%core2, 3) {init = 64 : i32}", "begins with 0 to 63"),
    "too many locks": (
        "".join(f"%l{i} = {'' if i else '§'}aie.lock(%core2)\n" for i in range(17)),
        "has 16 locks, but 17 are needed",
    ),
    "acquire beyond six bits": (
        BUFFER + LOCK + mem(f"aie.use_lock(%l, AcquireGreaterEqual, 64)\n§aie.dma_bd(%b : {MEMREF})"),
        "64 for lock l: the hardware holds 0 to 63",
    ),
    "a core's release beyond six bits": (LOCK + core("§aie.use_lock(%l, Release, 64)"), "the hardware holds"),
    "memory out of a core's reach": (
        f"%e = aie.tile(1, 2)\n%b = aie.buffer(%e) : {MEMREF}\n" + core(f"%v = memref.load §%b[] : {MEMREF}"),
        "b is a memory of compute tile (1, 2), which the core of compute tile (0, 2) does not reach",
    ),
    "lock out of a core's reach": (
        "%l = aie.lock(%mem)\n" + core("aie.use_lock(§%l, Release, 1)"),
        "l is a lock of memory tile (0, 1)",
    ),
    "memory out of a DMA's reach": (
        f"%b = aie.buffer(%core3) : {MEMREF}\n" + mem(f"§aie.dma_bd(%b : {MEMREF})"),
        "buffer b is in compute tile (0, 3), but this DMA is that of compute tile (0, 2)",
    ),
    "a neighbour's memory from channel 4": (
        f"%w = aie.tile(1, 1)\n%b = aie.buffer(%w) : {MEMREF}\n"
        + mem(f"§aie.dma_bd(%b : {MEMREF})", channel="S2MM, 4", program="memtile_dma(%mem)"),
        "only channels 0 to 3 reach",
    ),
    "lock out of a DMA's reach": (
        HALVES + "%l = aie.lock(%core3)\n" + mem("§aie.dma_bd(%b : memref<64xbf16>)\naie.use_lock(%l, Release, 1)"),
        "lock l is in compute tile (0, 3)",
    ),
}


@pytest.mark.parametrize("name", LANGUAGE)
def test_what_the_language_does_not_allow(name: str) -> None:
    refused(*LANGUAGE[name])


@pytest.mark.parametrize("name", TILES)
def test_what_a_tile_does_not_have(name: str) -> None:
    refused(*TILES[name])
