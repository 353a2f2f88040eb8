"""Designs in mlir-aie's language that are right, one for each group of constructs."""

from textwrap import indent


def device(body: str, name: str = "npu1") -> str:
    """A module with one device."""
    return f"module {{\n  aie.device({name}) {{\n{indent(body.strip(), '    ')}\n  }}\n}}\n"


# What most programs begin with: a column with two compute tiles.
TILES = """
%shim = aie.tile(0, 0)
%mem = aie.tile(0, 1)
%core2 = aie.tile(0, 2)
%core3 = aie.tile(0, 3)
"""

FIFOS = device(
    TILES
    + """
%far = aie.tile(2, 4)
aie.objectfifo @in(%shim, {%mem}, 2 : i32) : !aie.objectfifo<memref<64xi32>>
aie.objectfifo @half0(%mem, {%core2}, [2, 1]) : !aie.objectfifo<memref<32xi32>>
aie.objectfifo @half1(%mem dimensionsToStream [<size = 4, stride = 8>, <size = 8, stride = 1>],
                      {%far dimensionsFromStream [<size = 8, stride = 1>, <size = 4, stride = 8>]}, 2 : i32)
    : !aie.objectfifo<memref<32xi32>>
aie.objectfifo.link [@in] -> [@half0, @half1] ([] [0, 32])
aie.objectfifo @near(%core2, {%core3}, 3) : !aie.objectfifo<memref<16xbf16>>
aie.objectfifo @kept(%core3, {%core2}, 2 : i32) : !aie.objectfifo<memref<4xi32>>
aie.objectfifo.allocate @kept(%core2)
aie.objectfifo @forced(%core2, {%core3}, 2 : i32) {via_DMA = true} : !aie.objectfifo<memref<4xi32>>
aie.objectfifo @filled(%core2, {%core3}, 2 : i32) : !aie.objectfifo<memref<2xi32>>
    = [dense<[1, 2]> : memref<2xi32>, dense<-1>]
aie.objectfifo @again(%mem, {%far}, 1 : i32) {repeat_count = 3 : i32} : !aie.objectfifo<memref<4xi32>>
aie.objectfifo @free(%core3, {%core2}, 1 : i32) {disable_synchronization = true} : !aie.objectfifo<memref<4xi8>>
aie.objectfifo @padded(%mem dimensionsToStream [<size = 2, stride = 4>, <size = 4, stride = 1>], {%core3}, 1 : i32)
    {padDimensions = #aie<bd_pad_layout_array[<const_pad_before = 1, const_pad_after = 1>,
                                              <const_pad_before = 2, const_pad_after = 2>]>}
    : !aie.objectfifo<memref<32xi32>>
aie.objectfifo @small(%shim, {%mem}, 1 : i32) : !aie.objectfifo<memref<8xi32>>
aie.objectfifo.link [@small] -> [@padded] ([] [])
%c = aie.core(%core2) {
  %one = aie.objectfifo.acquire @half0(Consume, 1) : !aie.objectfifosubview<memref<32xi32>>
  %e = aie.objectfifo.subview.access %one[0] : !aie.objectfifosubview<memref<32xi32>> -> memref<32xi32>
  %two = aie.objectfifo.acquire @near(Produce, 2) : !aie.objectfifosubview<memref<16xbf16>>
  aie.objectfifo.release @near(Produce, 2)
  aie.objectfifo.release @half0(Consume, 1)
  aie.end
} {stack_size = 2048 : i32}
"""
)

DMAS = device(
    TILES
    + """
%west = aie.tile(1, 1)
%host = aie.external_buffer {sym_name = "host"} : memref<64xi32>
%a = aie.buffer(%core2) {sym_name = "a", address = 1024 : i32, mem_bank = 0 : i32} : memref<2x16xi32,
    2 : i32> = dense<7>
%0 = aie.buffer(%mem) : memref<64xi8>
%beside = aie.buffer(%west) {sym_name = "beside"} : memref<16xi32>
%p = aie.lock(%core2, 0) {init = 1 : i32, sym_name = "produced"}
%q = aie.lock(%core2) {init = 0 : i32}
%m = aie.lock(%mem, 63) {init = 2 : i32}
%dma2 = aie.mem(%core2) {
  %1 = aie.dma_start(S2MM, 0, ^first, ^next, repeat_count = 1)
^first:
  aie.use_lock(%p, AcquireGreaterEqual, 1)
  aie.dma_bd(%a : memref<2x16xi32, 2 : i32>, 0, 16) {bd_id = 3 : i32}
  aie.use_lock(%q, Release, 1)
  aie.next_bd ^second
^second:
  aie.use_lock(%p, "Acquire", 1)
  aie.dma_bd_packet(0, 5)
  aie.dma_bd(%a : memref<2x16xi32, 2 : i32> offset = 16 len = 16 sizes = [4, 4] strides = [1, 4])
  aie.use_lock(%q, Release)
  aie.next_bd ^first
^next:
  %2 = aie.dma_start("MM2S", 1, ^only, ^end)
^only:
  aie.dma_bd(%a : memref<2x16xi32, 2 : i32>)
  aie.next_bd ^end
^end:
  aie.end
}
%dmam = aie.memtile_dma(%mem) {
  %inside = aie.buffer(%mem) {sym_name = "inside"} : memref<8xi32>
  %3 = aie.dma(S2MM, 0) {loop = false, repeat_count = 2 : i32} [{
    %n = arith.constant 2 : i32
    aie.use_lock(%m, AcquireGreaterEqual, %n)
    aie.dma_bd(%0 : memref<64xi8>, 0, 64)
    aie.use_lock(%m, Release, 2)
  }, {
    aie.dma_bd(%beside : memref<16xi32>)
  }]
  %4 = aie.dma(MM2S, 5) [{
    aie.dma_bd(%inside : memref<8xi32>, 0, 32, [<size = 2, stride = 4>, <size = 4, stride = 1>],
               [<const_pad_before = 1, const_pad_after = 1>, <const_pad_before = 2, const_pad_after = 2>])
      {bd_id = 24 : i32, packet = #aie.packet_info<pkt_type = 1, pkt_id = 31>}
  }]
  aie.end
}
%dmas = aie.shim_dma(%shim) {
  aie.dma_start(MM2S, 0, ^bd, ^end)
^bd:
  aie.dma_bd(%host : memref<64xi32>, 8, 32)
  aie.next_bd ^bd
^end:
  aie.end
}
aie.flow(%shim, DMA : 0, %core2, "DMA" : 0)
aie.flow(%shim, DMA : 0, %mem, DMA : 0)
aie.packet_flow(0x1F) {
  aie.packet_source<%core2, DMA : 1>
  aie.packet_source<%core3, Core : 0>
  aie.packet_dest<%mem, DMA : 1>
} {keep_pkt_header = true, priority_route = true}
aie.packet_flow(3) {
  aie.packet_source<%core3, Trace : 0>
  aie.packet_dest<%shim, DMA : 1>
}
%east = aie.tile(1, 3)
aie.cascade_flow(%core3, %east)
"""
)

CORES = """
#map = affine_map<(i) -> (i)>
!vec = vector<16xbf16>
module {
  func.func private @outside(i32) attributes {link_with = "far.o"}
  aie.device(npu1_2col) {
    func.func private @twice(%x: i32) -> i32 {
      %y = arith.addi %x, %x : i32
      return %y : i32
    }
    %t2 = aie.tile(0, 2)
    %t3 = aie.tile(0, 3)
    %t4 = aie.tile(1, 3)
    %seven = arith.constant 7 : i32 // lucky
    %mine = aie.buffer(%t2) {sym_name = "mine"} : memref<4xi32>
    %north = aie.buffer(%t3) : memref<4xi32>
    %gate = aie.lock(%t3, 2) {sym_name = "gate"}
    %a = aie.core(%t2) { // }
      %c0 = arith.constant 0 : index
      aie.use_lock(%gate, AcquireGreaterEqual, 1)
      %x = memref.load %north[%c0] : memref<4xi32>
      %y = func.call @twice(%x) : (i32) -> i32
      %z = arith.addi %y, %seven : i32
      memref.store %z, %mine[%c0] : memref<4xi32>
      aie.use_lock(%gate, Release, 1)
      aie.end
    }
    %b = aie.core(%t4) {
      %k = arith.constant 1 : i32
      func.call @outside(%k) : (i32) -> ()
      cf.br ^again
    ^again:
      cf.br ^again
    }
  }
}
"""
