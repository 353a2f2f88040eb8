"""IREE's MLIR and llvmlite, loaded when first needed; neither has types, so their objects are `Any` in this package."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from kernelrt.npu.errors import NpuError

Operation = Any
Block = Any
Value = Any
Type = Any
Attribute = Any


@dataclass(frozen=True, slots=True)
class Mlir:
    """`ir` is the bindings' module; `translate` makes LLVM IR of a module in the LLVM dialect."""

    ir: Any
    pass_manager: Any
    translate: Callable[[Operation], str]

    @staticmethod
    @lru_cache(maxsize=1)  # loading takes 0.2 s
    def load() -> "Mlir":
        """Raises NpuError where IREE's compiler is not installed."""
        package = "iree-base-compiler"
        return Mlir(
            _module("iree.compiler.ir", package),
            _module("iree.compiler.passmanager", package).PassManager,
            _module("iree.compiler._mlir_libs._mlirDialectsLLVM", package).translate_module_to_llvmir,
        )

    def context(self) -> Any:
        """A context of one thread: a core body is too small to share."""
        context = self.ir.Context()
        context.enable_multithreading(False)
        return context

    def run(self, module: Operation, pipeline: str) -> None:
        self.pass_manager.parse(f"builtin.module({pipeline})", module.context).run(module)

    def create(
        self,
        name: str,
        operands: "list[Value]",
        results: "list[Type]",
        attributes: "dict[str, Attribute] | None" = None,
        regions: int = 0,
    ) -> Operation:
        """An operation at the current insertion point."""
        return self.ir.Operation.create(
            name, results=results, operands=operands, attributes=attributes or {}, regions=regions
        )

    def value(self, name: str, operands: "list[Value]", result: Type, **attributes: Attribute) -> Value:
        """The result of an operation at the current insertion point."""
        return self.create(name, operands, [result], attributes).results[0]

    def constant(self, number: int, type_: Type) -> Value:
        """An integer or index constant, splat where `type_` is a vector."""
        ir = self.ir
        if isinstance(type_, ir.VectorType):
            element = type_.element_type
            value = ir.DenseElementsAttr.get_splat(type_, ir.IntegerAttr.get(element, number))
        else:
            value = ir.IntegerAttr.get(type_, number)
        return self.value("arith.constant", [], type_, value=value)

    def index(self, number: int) -> Value:
        return self.constant(number, self.ir.IndexType.get())


def llvm() -> Any:
    """llvmlite.binding with the host's target. Raises NpuError where it is not installed."""
    binding = _module("llvmlite.binding", "llvmlite")
    _initialise()
    return binding


@lru_cache(maxsize=1)
def _initialise() -> None:
    binding = _module("llvmlite.binding", "llvmlite")
    binding.initialize_native_target()
    binding.initialize_native_asmprinter()


def _module(name: str, package: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise NpuError(
            f"the NPU simulator needs the Python package '{package}' ({error}): pip install 'kernelrt[sim]'"
        ) from error
