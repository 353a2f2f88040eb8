"""Text to IR: the dialects that a design may use, and xDSL's errors as ours."""

from dataclasses import dataclass

from xdsl.context import Context
from xdsl.dialects import affine, arith, builtin, memref, scf
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Dialect
from xdsl.utils.exceptions import ParseError, VerifyException

from kernelrt.npu.text import (
    attributes,
    dialect_aie,
    dialect_aiex,
    dialect_chains,
    dialect_dma,
    dialect_fifo,
    dialect_host,
    dialect_sequence,
    dialect_tasks,
)
from kernelrt.npu.text.reader import Reader
from kernelrt.npu.text.source import Source

AIE = Dialect(
    "aie",
    [
        dialect_aie.DeviceOp,
        dialect_aie.TileOp,
        dialect_aie.EndOp,
        dialect_aie.BufferOp,
        dialect_aie.ExternalBufferOp,
        dialect_aie.LockOp,
        dialect_aie.CoreOp,
        dialect_aie.FlowOp,
        dialect_aie.PacketFlowOp,
        dialect_aie.PacketSourceOp,
        dialect_aie.PacketDestOp,
        dialect_aie.CascadeFlowOp,
        dialect_aie.ConfigureCascadeOp,
        dialect_aie.ShimDMAAllocationOp,
        dialect_dma.MemOp,
        dialect_dma.MemTileDMAOp,
        dialect_dma.ShimDMAOp,
        dialect_dma.DMAStartOp,
        dialect_dma.DMAOp,
        dialect_dma.DMABDOp,
        dialect_dma.DMABDPacketOp,
        dialect_dma.NextBDOp,
        dialect_dma.UseLockOp,
        dialect_sequence.BDChainOp,
        dialect_sequence.RuntimeSequenceOp,
        dialect_fifo.ObjectFifoOp,
        dialect_fifo.ObjectFifoAllocateOp,
        dialect_fifo.ObjectFifoLinkOp,
    ],
    [
        attributes.PacketInfo,
        attributes.ObjectFifoType,
        attributes.ObjectFifoSubviewType,
        attributes.PadLayouts,
        attributes.ChannelDirection,
        attributes.WireBundle,
        attributes.CascadeDirection,
        attributes.LockAction,
    ],
)
AIEX = Dialect(
    "aiex",
    [
        dialect_aiex.SyncOp,
        dialect_aiex.Write32Op,
        dialect_aiex.MaskWrite32Op,
        dialect_aiex.BlockWriteOp,
        dialect_aiex.AddressPatchOp,
        dialect_aiex.WriteBdOp,
        dialect_aiex.DmaWaitOp,
        dialect_aiex.PreemptOp,
        dialect_aiex.PushQueueOp,
        dialect_aiex.RtpWriteOp,
        dialect_aiex.DmaMemcpyNdOp,
        dialect_tasks.SetLockOp,
        dialect_tasks.DmaStartTaskOp,
        dialect_tasks.DmaAwaitTaskOp,
        dialect_tasks.DmaFreeTaskOp,
        dialect_tasks.DmaConfigureTaskOp,
        dialect_tasks.DmaConfigureTaskForOp,
        dialect_chains.DmaStartBdChainOp,
        dialect_chains.DmaStartBdChainForOp,
        dialect_sequence.OldRuntimeSequenceOp,
    ],
)
HOST = Dialect("func", [dialect_host.FuncOp])
MEMREF = Dialect(
    "memref",
    [dialect_host.GlobalOp, memref.GetGlobalOp, memref.AssumeAlignmentOp, memref.SubviewOp, memref.ReinterpretCastOp],
)


@dataclass(frozen=True, slots=True)
class Parsed:
    """The module, the reader that knows its places, and the text."""

    module: ModuleOp
    reader: Reader
    source: Source


def parse(text: str, file: str) -> Parsed:
    """Reads a module and verifies each operation's structure. DesignError says where it is wrong."""
    source = Source.of(text, file)
    source.balanced()
    context = Context()
    for dialect in (builtin.Builtin, arith.Arith, scf.Scf, affine.Affine, AIE, AIEX, HOST, MEMREF):
        context.load_dialect(dialect)
    try:
        reader = Reader(context, source)
    except ParseError as error:  # the first token
        raise source.error(error.span.start, _line(error.msg)) from None
    try:
        module = reader.parse_module()
    except ParseError as error:
        raise source.error(error.span.start, _line(error.msg)) from None
    except (VerifyException, ValueError) as error:  # an attribute that cannot be: xDSL does not say where
        raise source.error(reader.pos, _line(str(error))) from None
    except (KeyError, AssertionError):  # xDSL's own, on blocks named twice and on lists with holes
        raise source.error(
            reader.pos, "this cannot be read: a block named twice, or a part missing before it"
        ) from None
    for op, span in reader.spans.items():
        try:
            op.verify(verify_nested_ops=False)
        except VerifyException as error:
            raise source.error(span.name, f"{op.name}: {_line(str(error))}") from None
    return Parsed(module, reader, source)


def _line(message: str) -> str:
    """The first line of a message that says something, with what it introduces."""
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    if not lines:
        return "it cannot be read"
    return " ".join(lines[:2]) if lines[0].endswith(":") else lines[0]
