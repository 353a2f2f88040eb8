"""Machine code of a core, in this process."""

import ctypes
import struct
from dataclasses import dataclass
from typing import Any

from kernelrt.npu.errors import NpuError
from kernelrt.npu.jit.api import llvm
from kernelrt.npu.jit.emit import ENTRY, architectures


@dataclass(frozen=True, slots=True)
class Target:
    """The host as LLVM knows it."""

    triple: str
    data_layout: str

    @staticmethod
    def host() -> "Target":
        """Raises NpuError on a processor whose floating-point mode this package cannot set."""
        triple = str(llvm().get_process_triple())
        if triple.split("-")[0] not in architectures():
            raise NpuError(f"the NPU simulator runs on {' and '.join(architectures())}, not on {triple}")
        return Target(triple, str(Target._machine(triple).target_data))

    @property
    def architecture(self) -> str:
        return self.triple.split("-")[0]

    def machine(self) -> Any:
        """A new one each time: an engine owns and frees the one that it is made with."""
        return Target._machine(self.triple)

    @staticmethod
    def _machine(triple: str) -> Any:
        binding = llvm()
        return binding.Target.from_triple(triple).create_target_machine(
            cpu=binding.get_host_cpu_name(),
            features=binding.get_host_cpu_features().flatten(),
            opt=2,
            reloc="pic",
            codemodel="jitdefault",
            jit=True,
        )


@dataclass(frozen=True, slots=True)
class Native:
    """`entry` is the address of the core's function; `engine` keeps its code."""

    entry: int
    engine: Any


def native(target: Target, code: str) -> Native:
    """Optimised machine code of LLVM IR. Raises NpuError where it needs a function that this process does not have."""
    binding = llvm()
    module = binding.parse_assembly(code)
    module.verify()
    options = binding.create_pipeline_tuning_options(speed_level=2)
    options.loop_vectorization = True
    options.slp_vectorization = False
    machine = target.machine()
    builder = binding.create_pass_builder(machine, options)
    builder.getModulePassManager().run(module, builder)
    found = machine.emit_object(module)
    for name in undefined(found):
        _bind(binding, name)
    engine = binding.create_mcjit_compiler(binding.parse_assembly(""), target.machine())
    engine.add_object_file(binding.ObjectFileRef.from_data(found))
    engine.finalize_object()
    return Native(int(engine.get_function_address(ENTRY)), engine)


def _bind(binding: Any, name: str) -> None:
    """An unbound function would be called at address 0."""
    if binding.address_of_symbol(name):
        return
    for library in (None, "libm.so.6"):
        try:
            address = ctypes.cast(getattr(ctypes.CDLL(library), name), ctypes.c_void_p).value
        except (AttributeError, OSError):
            continue
        if address:
            binding.add_symbol(name, address)
            return
    raise NpuError(f"a core's code needs the function {name}, which this system does not have")


def undefined(found: bytes) -> list[str]:
    """Names that an ELF object (64 bits, little endian) needs from elsewhere."""
    offset, size, count = *struct.unpack_from("<Q", found, 40), *struct.unpack_from("<HH", found, 58)
    sections = [struct.unpack_from("<IIQQQQIIQQ", found, offset + number * size) for number in range(count)]
    names: list[str] = []
    for section in sections:
        if section[1] != 2:  # SHT_SYMTAB
            continue
        strings = sections[section[6]][4]
        for at in range(section[4], section[4] + section[5], section[9]):
            name, _, _, home = struct.unpack_from("<IBBH", found, at)
            start = strings + name
            if name and home == 0:
                names.append(found[start : found.index(b"\0", start)].decode())
    return sorted(name for name in names if name != "_GLOBAL_OFFSET_TABLE_")
