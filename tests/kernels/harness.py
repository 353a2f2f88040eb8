"""Runs a kernel on a real Vulkan device (lavapipe unless told otherwise) and compares it with its oracle."""

import math
import secrets
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from kernelc.kernel import Binding, KernelSpec
from kernelc.render import render
from kernelc.toolchain import abi, glslang
from kernelrt.abi import specialization
from kernelrt.gpu.device import Device
from kernelrt.gpu.memory import Buffer
from kernelrt.gpu.pipeline import Pipeline
from kernelrt.gpu.run import run
from kernelrt.params import Params
from tests.kernels.case import Array, Case

POISON = 0xFFFFFFFF
NUMPY = {"f32": np.float32, "f16": np.float16, "u32": np.uint32, "i32": np.int32}


def fresh_seed() -> int:
    """A seed of this run's own; every assertion prints it, so that a failure can be had again."""
    return secrets.randbits(32)


def execute(
    device: Device,
    spec: KernelSpec,
    arrays: Mapping[str, Array],
    params: Params,
    capacity: int,
    quantities: Mapping[str, int] | None = None,
) -> dict[str, Array]:
    """Renders, compiles, checks the ABI, runs once; gives every buffer that the kernel may write, as flat arrays of
    its scalars. Loops are as the plan has them for the device.
    """
    spec = replace(spec, rolled=device.info.device_type == "cpu")
    unknown = set(arrays) - {binding.name for binding in spec.bindings}
    assert not unknown, f"{spec.name} has no binding {sorted(unknown)}"
    sizes = {"rows": capacity, **(quantities or {})}
    spirv = glslang.compile(render(spec), spec.name)
    abi.check_limits(spec, abi.check_abi(spec, spirv), device.info.shared_memory, device.info.max_workgroup)
    buffers = [_buffer(device, binding, arrays, params, sizes) for binding in spec.bindings]
    constants = specialization(spec.workgroup, spec.constants)
    pipeline = Pipeline(device, spirv, len(buffers), constants, spec.subgroup, name=spec.name)
    try:
        x, y, z = (dim.size(**sizes) for dim in spec.grid)
        run(device, pipeline, buffers, (x, y, z))
        return {
            binding.name: buffer.array(_scalar(binding))
            for binding, buffer in zip(spec.bindings, buffers, strict=True)
            if binding.access != "r"
        }
    finally:
        pipeline.close()
        for buffer in buffers:
            buffer.close()


def errors(case: Case, outputs: Mapping[str, Array]) -> dict[str, float]:
    """||out - expected|| / ||expected|| by binding; infinite where something is unwritten, or written that should not
    be.
    """
    seen = case.view(outputs)
    return {name: relative_error(seen[name], expected) for name, expected in case.expected.items()}


def check(device: Device, case: Case) -> None:
    """Executes a case and asserts every bound."""
    outputs = execute(device, case.spec, case.arrays, case.params, case.capacity, case.quantities)
    for name, error in errors(case, outputs).items():
        assert error <= bound(case, name), (
            f"{case.name}: {name} is off by {error:.3g} (bound {bound(case, name):.3g}, seed {case.seed})"
        )


def bound(case: Case, name: str) -> float:
    """The tolerance of one output."""
    return case.tolerance if isinstance(case.tolerance, float | int) else case.tolerance[name]


def relative_error(out: Array, expected: Array) -> float:
    """The norm of the difference over that of the expected values; `inf` where poison and expectation disagree."""
    flat, want = out[: expected.size], expected.ravel()
    if np.issubdtype(want.dtype, np.integer):
        return float(np.count_nonzero(flat != want)) / max(1, want.size)
    got, ref = flat.astype(np.float64), want.astype(np.float64)
    if not np.array_equal(np.isnan(got), np.isnan(ref)) or not np.array_equal(np.isinf(got), np.isinf(ref)):
        return math.inf
    live = np.isfinite(ref)
    norm = float(np.linalg.norm(ref[live]))
    distance = float(np.linalg.norm(got[live] - ref[live]))
    return distance / norm if norm else distance


def _scalar(binding: Binding) -> type[np.generic]:
    return NUMPY[binding.dtype.split("x")[0]]


def _buffer(
    device: Device, binding: Binding, arrays: Mapping[str, Array], params: Params, sizes: Mapping[str, int]
) -> Buffer:
    nbytes = binding.nbytes(**sizes)
    buffer = Buffer(device, nbytes)
    buffer.fill(POISON)
    data: NDArray[np.generic] | bytes | None = params.pack() if binding.dtype == "params" else arrays.get(binding.name)
    if data is not None:
        assert len(memoryview(data).cast("B") if isinstance(data, bytes) else data.tobytes()) <= nbytes, (
            f"{binding.name}: more data than the {nbytes} bytes that the kernel declares"
        )
        buffer.write(data)
    return buffer
