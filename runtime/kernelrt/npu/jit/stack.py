"""Memory that a core's program takes from its stack."""

import math

from kernelrt.npu.jit.module import Parsed, walk


def stack_bytes(parsed: Parsed) -> int:
    """What its memref.alloca need together, in bytes. Raises DesignError where that depends on the run, and for
    memref.alloc: a core has no heap."""
    total = 0
    for function in parsed.used():
        for operation in walk(function):
            if operation.name == "memref.alloc":
                raise parsed.error(operation, "a core has no heap for memref.alloc: use an aie.buffer or memref.alloca")
            if operation.name == "memref.alloca":
                type_ = operation.results[0].type
                if not type_.has_static_shape:
                    raise parsed.error(operation, f"memref.alloca of {type_}: its size must be constant")
                index = isinstance(type_.element_type, parsed.mlir.ir.IndexType)
                bits = 32 if index else int(type_.element_type.width)
                total += math.prod(int(n) for n in type_.shape) * max(8, bits) // 8
    return total
