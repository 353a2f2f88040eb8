"""Designs that are right, with runtime sequences."""

from tests.npu.text.programs import TILES, device

SEQUENCE = device(
    TILES
    + """
aie.objectfifo @of_in(%shim, {%core2}, 2 : i32) : !aie.objectfifo<memref<16xi32>>
aie.objectfifo @of_out(%core2, {%shim}, 2 : i32) : !aie.objectfifo<memref<16xi32>>
aie.shim_dma_allocation @alloc(%shim, MM2S, 1)
%rtp = aie.buffer(%core2) {sym_name = "rtp"} : memref<4xi32>
%lock = aie.lock(%core2, 15) {sym_name = "gate"}
%words = aie.buffer(%core3) {sym_name = "words", address = 2048 : i32} : memref<16xi32>
memref.global "private" constant @data : memref<2xi32> = dense<[10, 0x20]>
aie.bd_chain @pair(%x: memref<256xi32>, %y: memref<256xi32>) {
  aie.dma_bd(%x : memref<256xi32>, 0, 16)
  aie.next_bd ^then
^then:
  aie.dma_bd(%y : memref<256xi32>, 16, 16)
  aie.end
}
aie.runtime_sequence @main(%x: memref<256xi32>, %rtp_: memref<8x64xbf16>, %y: memref<256xi32>) {
  %c0 = arith.constant 0 : i64
  %c1 = arith.constant 1 : i64
  %c16 = arith.constant 16 : i64
  aiex.npu.dma_memcpy_nd(%x[0, 0, 0, 32][1, 1, 1, %c16][0, 0, 0, 1], packet = <pkt_id = 3,
      pkt_type = 0>) {id = 2 : i64, metadata = @of_in} : memref<256xi32>
  aiex.npu.dma_memcpy_nd(%x[0, 0, %c1, 0][4, 2, 2, 4][64, 32, 8, 1]) {id = 3 : i64, metadata = @of_in,
      issue_token = true} : memref<256xi32>
  aiex.npu.dma_memcpy_nd(%y[%c0, 0, 0, 0][2, 1, 1, 16][0, 0, 0, 1]) {id = 4 : i64,
      metadata = @of_out} : memref<256xi32>
  aiex.npu.dma_wait {symbol = @of_out}
  %t = aiex.dma_configure_task(%shim, MM2S, 1, <pkt_type = 0, pkt_id = 9>) {
    aie.dma_bd(%x : memref<256xi32>, 0, 16, [<size = 4, stride = 64>, <size = 2, stride = 32>, <size = 2,
        stride = 8>, <size = 4, stride = 1>])
    aie.end
  } {issue_token = true, repeat_count = 3 : i32}
  %u = aiex.dma_configure_task_for @alloc {
    aie.dma_bd(%rtp_ : memref<8x64xbf16> offset = 64 len = 64) {bd_id = 7 : i32, burst_length = 64 : i32}
    aie.next_bd ^more
  ^more:
    aie.dma_bd(%rtp_ : memref<8x64xbf16>, 128, 64)
    aie.end
  }
  aiex.dma_start_task(%t)
  aiex.dma_start_task(%u)
  aiex.dma_await_task(%t)
  aiex.dma_free_task(%u)
  %v = aiex.dma_start_bd_chain @pair(%y, %x) : (memref<256xi32>, memref<256xi32>) on (%shim, S2MM,
      1) {issue_token = true}
  %w = aiex.dma_start_bd_chain_for @pair(%x, %x) : (memref<256xi32>, memref<256xi32>) for @alloc
  aiex.dma_await_task(%v)
  aiex.npu.rtp_write(@rtp, 0, 50)
  %minus = arith.constant -1 : i32
  aiex.npu.rtp_write(@rtp, 1, %minus) : i32
  aiex.set_lock(%lock, 5)
  aiex.npu.sync {channel = 0 : i32, column = 0 : i32, column_num = 1 : i32, direction = 0 : i32, row = 0 : i32,
      row_num = 1 : i32}
  aiex.npu.write32 {address = 2 : ui32, buffer = @rtp, value = 9 : ui32}
  aiex.npu.maskwrite32 {address = 0x7000 : ui32, column = 0 : i32, mask = 0xFF : ui32, row = 2 : i32,
      value = 0x12 : ui32}
  aiex.npu.write32 {address = 0x1F0F0 : ui32, column = 0 : i32, row = 2 : i32, value = 1 : ui32}
  %g = memref.get_global @data : memref<2xi32>
  aiex.npu.blockwrite(%g) {address = 1 : ui32, buffer = @rtp} : memref<2xi32>
  aiex.npu.preempt {level = 1 : ui8}
}
aiex.runtime_sequence @loops(%x: memref<256xi32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c3 = arith.constant 3 : index
  %c8 = arith.constant 8 : i64
  scf.for %i = %c0 to %c3 step %c1 {
    %wide = arith.index_cast %i : index to i64
    %offset = arith.muli %wide, %c8 : i64
    aiex.npu.dma_memcpy_nd(%x[0, 0, 0, %offset][1, 1, 1, 8][0, 0, 0, 1]) {id = 0 : i64,
        metadata = @of_in} : memref<256xi32>
  }
  affine.for %j = 0 to 4 step 2 {
    %cut = memref.subview %x[64] [64] [1] : memref<256xi32> to memref<64xi32, strided<[1], offset: 64>>
    aiex.npu.dma_memcpy_nd(%cut[0, 0, 0, 4][1, 1, 1, 4][0, 0, 0, 1]) {id = 1 : i64,
        metadata = @of_in} : memref<64xi32, strided<[1], offset: 64>>
  }
}
"""
)

REGISTERS = device(
    TILES
    + """
%b = aie.buffer(%core2) {sym_name = "b", address = 4096 : i32} : memref<32xi16>
%acq = aie.lock(%core2, 4) {init = 1 : i32, sym_name = "acq"}
%rel = aie.lock(%core2, 5) {sym_name = "rel"}
aie.runtime_sequence(%x: memref<64xi32>, %y: memref<64xi32>) {
  aiex.npu.writebd {bd_id = 1 : i32, buffer_length = 16 : i32, buffer_offset = 0 : i32, column = 0 : i32,
      row = 0 : i32, d0_size = 4 : i32, d0_stride = 0 : i32, d1_size = 4 : i32, d1_stride = 7 : i32,
      d2_stride = 0 : i32, d2_size = 0 : i32, iteration_size = 1 : i32, iteration_stride = 31 : i32,
      valid_bd = 1 : i32, enable_packet = 0 : i32}
  aiex.npu.address_patch {addr = 118820 : ui32, arg_idx = 1 : i32, arg_plus = 16 : i32}
  aiex.npu.push_queue(0, 0, MM2S : 1) {bd_id = 1 : i32, issue_token = true, repeat_count = 1 : i32}
  aiex.npu.writebd {bd_id = 2 : i32, buffer_length = 8 : i32, buffer_offset = 4112 : i32, column = 0 : i32,
      row = 2 : i32, lock_acq_enable = 1 : i32, lock_acq_id = 4 : i32, lock_acq_val = 127 : i32,
      lock_rel_id = 5 : i32, lock_rel_val = 1 : i32, next_bd = 2 : i32, use_next_bd = 1 : i32,
      valid_bd = 1 : i32}
  aiex.npu.write32 {address = 2219524 : ui32, value = 2 : ui32}
}
"""
)
