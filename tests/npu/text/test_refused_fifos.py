"""Wrong designs: object fifos, their links, and what cores do with them."""

import pytest

from tests.npu.text.wrong import BUFFER, FIFO, IN, MEMREF, SUBVIEW, core, dims, fifo, refused

FIFOS = {
    "third input of a compute tile": (
        fifo("f0", "%mem", "%core2") + fifo("f1", "%mem", "%core2") + "§" + fifo("f2", "%mem", "%core2"),
        "@f2 needs one more input DMA channel of compute tile (0, 2), which has 2 (S2MM 0: @f0, S2MM 1: @f1)",
    ),
    "depths": ("§" + fifo("f", "%mem", "%core2", "[1, 2, 3]"), "3 depths: give one for all, or 2"),
    "depth of nothing": ("§" + fifo("f", "%mem", "%core2", "0"), "at least one object"),
    "dimensions on a shim": (
        "§" + fifo("f", f"%shim dimensionsToStream {dims((16, 1))}", "%core2"),
        "give the sizes and strides in the runtime sequence",
    ),
    "initial objects": (
        f"§aie.objectfifo @f(%mem, {{%core2}}, 2) : {FIFO} = [dense<1>]",
        "1 initial objects and a depth of 2",
    ),
    "object of part of a word": (
        "§" + fifo("f", "%mem", "%core2", element="memref<3xbf16>"),
        "6 bytes: a DMA moves words",
    ),
    "too many BDs": (
        "§" + fifo("f", "%mem", "%core2", "[1, 17]"),
        "compute tile (0, 2) has 16 BDs, but 17 are needed (S2MM 0 @f: 17)",
    ),
    "allocated out of reach": (
        fifo("f", "%core2", "%core3") + "§aie.objectfifo.allocate @f(%mem)",
        "does not reach the memory of memory tile (0, 1)",
    ),
    "link of no fifo": (BUFFER + IN + "§aie.objectfifo.link [@in] -> [@b] ([] [])", "@b is no aie.objectfifo"),
    "link without a common tile": (
        IN + fifo("on", "%core3", "%core2") + "§aie.objectfifo.link [@in] -> [@on] ([] [])",
        "@in has no consumer on compute tile (0, 3), where @on begins",
    ),
    "link of other sizes": (
        fifo("i", "%shim", "%mem")
        + fifo("o", "%mem", "%core2", element="memref<12xi32>")
        + "§aie.objectfifo.link [@i] -> [@o] ([] [])",
        "@i has objects of 64 bytes, @o of 48",
    ),
    "distribute on a compute tile": (
        IN
        + "".join(fifo(f"o{i}", "%core2", "%core3", element="memref<8xi32>") for i in range(2))
        + "§aie.objectfifo.link [@in] -> [@o0, @o1] ([] [0, 8])",
        "join and distribute need a memory tile",
    ),
    "offsets of a distribute": (
        fifo("i", "%shim", "%mem")
        + "".join(fifo(f"o{i}", "%mem", f"%core{i + 2}", element="memref<8xi32>") for i in range(2))
        + "§aie.objectfifo.link [@i] -> [@o0, @o1] ([] [0, 6])",
        "@o0 has objects of 32 bytes, but its part of @i is 0 to 6 (24 bytes)",
    ),
    "offsets missing": (
        fifo("i0", "%core2", "%mem")
        + fifo("i1", "%core3", "%mem")
        + fifo("o", "%mem", "%shim", element="memref<32xi32>")
        + "§aie.objectfifo.link [@i0, @i1] -> [@o] ([] [])",
        "2 fifos need 2 offsets in the first list",
    ),
    "join and distribute": (
        "".join(fifo(f"i{i}", f"%core{i + 2}", "%mem") + fifo(f"o{i}", "%mem", f"%core{i + 2}") for i in range(2))
        + "§aie.objectfifo.link [@i0, @i1] -> [@o0, @o1] ([0, 16] [0, 16])",
        "not both",
    ),
    "linked twice": (
        fifo("i", "%shim", "%mem")
        + fifo("o", "%mem", "%core2")
        + "aie.objectfifo.link [@i] -> [@o] ([] [])\n§aie.objectfifo.link [@i] -> [@o] ([] [])",
        "a fifo has one link",
    ),
}


CORES = {
    "acquire of more than there are": (
        fifo("f", "%core2", "%core3") + core(f"%s = §aie.objectfifo.acquire @f(Produce, 2) : {SUBVIEW}"),
        "acquire of 2 objects of @f, which holds 1 here: it would wait for ever",
    ),
    "release of what is not held": (IN + core("§aie.objectfifo.release @in(Consume, 1)"), "but 0 are acquired here"),
    "wrong port": (IN + core(f"%s = §aie.objectfifo.acquire @in(Produce, 1) : {SUBVIEW}"), "not by this core"),
    "wrong core": (
        IN + core(f"%s = §aie.objectfifo.acquire @in(Consume, 1) : {SUBVIEW}", "%core3"),
        "@in is consumed on compute tile (0, 2), not by this core",
    ),
    "unknown fifo": (
        IN + core(f"%s = §aie.objectfifo.acquire @inn(Consume, 1) : {SUBVIEW}"),
        "@inn is no aie.objectfifo",
    ),
    "linked fifo": (
        IN
        + fifo("on", "%core2", "%mem")
        + "aie.objectfifo.link [@in] -> [@on] ([] [])\n"
        + core(f"%s = §aie.objectfifo.acquire @in(Consume, 1) : {SUBVIEW}"),
        "@in is linked on this tile",
    ),
    "type of an acquire": (
        IN + core("%s = §aie.objectfifo.acquire @in(Consume, 1) : !aie.objectfifosubview<memref<8xi32>>"),
        "@in has objects of memref<16xi32>, not of memref<8xi32>",
    ),
    "object beyond the acquired": (
        IN
        + core(
            f"%s = aie.objectfifo.acquire @in(Consume, 1) : {SUBVIEW}\n"
            f"%e = §aie.objectfifo.subview.access %s[1] : {SUBVIEW} -> {MEMREF}"
        ),
        "object 1 of %s: 1 are acquired",
    ),
    "type of an object": (
        IN
        + core(
            f"%s = aie.objectfifo.acquire @in(Consume, 1) : {SUBVIEW}\n"
            f"%e = §aie.objectfifo.subview.access %s[0] : {SUBVIEW} -> memref<4xi32>"
        ),
        "an object of memref<16xi32> is no memref<4xi32>",
    ),
}


@pytest.mark.parametrize("name", FIFOS)
def test_what_a_fifo_cannot_be(name: str) -> None:
    refused(*FIFOS[name])


@pytest.mark.parametrize("name", CORES)
def test_what_a_core_cannot_do_with_a_fifo(name: str) -> None:
    refused(*CORES[name])
