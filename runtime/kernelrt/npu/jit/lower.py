"""From a checked module of structured MLIR to LLVM IR of one function."""

from kernelrt.npu.jit.api import Block, Mlir, Operation
from kernelrt.npu.jit.arithmetic import Rounding, rewrite_arithmetic, rounding
from kernelrt.npu.jit.module import Parsed, called, walk
from kernelrt.npu.jit.rewrite import CORE, COUNT

_TO_BLOCKS = "convert-scf-to-cf,inline{max-iterations=64},symbol-dce"
_VECTORS = (
    "func.func(iree-llvmcpu-virtual-vector-lowering,iree-codegen-vector-transfer-lowering,"
    "iree-llvmcpu-vector-shape-cast-lowering,iree-llvmcpu-vector-transpose-lowering,expand-strided-metadata,"
    "memref-expand),canonicalize,cse"
)


def lowered(parsed: Parsed, triple: str, data_layout: str) -> tuple[str, Rounding]:
    """LLVM IR in which the core's function calls declared functions for all that is not arithmetic or memory, and the
    rounding mode that it runs with. Raises DesignError for operations without a lowering."""
    mlir, root = parsed.mlir, parsed.root
    mode = rounding(mlir, list(walk(root)))
    try:
        for operation in list(walk(root)):
            rewrite_arithmetic(mlir, operation)
        private = mlir.ir.StringAttr.get("private", root.context)
        for name, function in parsed.functions().items():
            if name != CORE:
                function.attributes["sym_visibility"] = private  # gone when all its calls are inlined
        mlir.run(root, _TO_BLOCKS)
        core = parsed.functions()[CORE]
        _hoist_stack(core)
        _leave_early(mlir, core)
        core.attributes["sym_visibility"] = private  # a public one would be a dispatch of IREE's
        to_llvm = f"iree-convert-to-llvm{{target-triple={triple} target-data-layout={data_layout}}}"
        mlir.run(root, f"{_VECTORS},{to_llvm}")
        for operation in walk(root):
            if not operation.name.startswith("llvm."):  # the translation would crash
                raise parsed.error(operation, f"cannot be compiled: {operation.name} has no lowering")
        return mlir.translate(root), mode
    except mlir.ir.MLIRError as error:
        found = error.error_diagnostics[0] if error.error_diagnostics else None
        if found is None:
            raise
        problem = found.message.split(": %")[0]  # without the whole operation
        raise parsed.error_at(str(found.location), f"cannot be compiled: {problem}") from None


def _hoist_stack(core: Operation) -> None:
    """Stack memory is taken once, on entry: what a block takes would be given back at the end of the function only."""
    entry = next(iter(core.regions[0].blocks[0].operations))
    for operation in list(walk(core)):
        if operation.name == "memref.alloca" and operation != entry.operation:
            operation.move_before(entry)


def _leave_early(mlir: Mlir, core: Operation) -> None:
    """Gives each call of the machine the state, and ends the function behind it where the state says so."""
    ir = mlir.ir
    declarations = {str(f.attributes["sym_name"]).strip('"'): f for f in _functions(core.parent)}
    bit = ir.IntegerType.get_signless(1, core.context)
    state = core.regions[0].blocks[0].arguments[0]
    changed: set[str] = set()
    for operation in list(walk(core)):
        callee = called(operation)
        if not callee or not callee.startswith("kernelrt_"):
            continue
        types = [result.type for result in operation.results]
        results = types if callee == COUNT else [*types, bit]
        if callee not in changed:
            changed.add(callee)
            type_ = ir.FunctionType.get([state.type, *(v.type for v in operation.operands)], results, core.context)
            declarations[callee].attributes["function_type"] = ir.TypeAttr.get(type_)
        with ir.InsertionPoint(operation), operation.location:
            attributes = {"callee": operation.attributes["callee"]}
            call = mlir.create("func.call", [state, *operation.operands], results, attributes)
        for old, new in zip(operation.results, call.results, strict=False):
            old.replace_all_uses_with(new)
        operation.erase()
        if callee != COUNT:
            _split(mlir, call)


def _split(mlir: Mlir, call: Operation) -> None:
    """The block ends behind the call: with a return if its last result is true, else by going on."""
    ir = mlir.ir
    block: Block = call.block
    operations = list(block.operations)
    position = next(n for n, operation in enumerate(operations) if operation.operation == call) + 1
    with call.location:
        rest = block.create_after()
        leave = rest.create_after()
    for operation in operations[position:]:
        rest.append(operation)
    with call.location:
        with ir.InsertionPoint(block):
            segments = ir.DenseI32ArrayAttr.get([1, 0, 0])
            attributes = {"operandSegmentSizes": segments}
            ir.Operation.create(
                "cf.cond_br", operands=[call.results[-1]], attributes=attributes, successors=[leave, rest]
            )
        with ir.InsertionPoint(leave):
            mlir.create("func.return", [], [])


def _functions(module: Operation) -> list[Operation]:
    return [
        operation.operation
        for operation in module.regions[0].blocks[0].operations
        if operation.operation.name == "func.func"
    ]
