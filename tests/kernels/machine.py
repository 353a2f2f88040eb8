"""Whole steps of a model from the kernels of a plan: buffers by name, one submission a step."""

from collections.abc import Mapping, Sequence

import numpy as np

from kernelc.kernel import KernelSpec
from kernelc.render import render
from kernelc.toolchain import glslang
from kernelrt.gpu.descriptors import Dispatch
from kernelrt.gpu.device import Device
from kernelrt.gpu.memory import Buffer
from kernelrt.gpu.pipeline import Pipeline
from kernelrt.gpu.run import Recording
from kernelrt.params import NBYTES, Params
from tests.kernels.case import Array


class Machine:
    """Kernels and buffers of one model on a device. Buffers that no one uploaded start as zeros."""

    def __init__(self, device: Device, specs: Sequence[KernelSpec], rows: int, slots: int) -> None:
        self.device = device
        self.specs = {spec.name: spec for spec in specs}
        self.sizes = {"rows": rows, "slots": slots}
        self.buffers: dict[str, Buffer] = {"params": Buffer(device, NBYTES)}
        self.pipelines: dict[str, Pipeline] = {}

    def upload(self, name: str, data: Array) -> None:
        """A buffer of this name with these bytes, anew."""
        old = self.buffers.pop(name, None)
        if old is not None:
            old.close()
        self.buffers[name] = Buffer(self.device, data.nbytes)
        self.buffers[name].write(np.ascontiguousarray(data))

    def dispatch(self, kernel: str, rows: int, binds: Mapping[str, str]) -> Dispatch:
        """One dispatch of a kernel for a bucket of `rows`; `binds` maps bindings to buffers, but for its scratch."""
        spec = self.specs[kernel]
        unknown = set(binds) - {binding.name for binding in spec.bindings}
        assert not unknown, f"{kernel} has no binding {sorted(unknown)}"
        if kernel not in self.pipelines:
            spirv = glslang.compile(render(spec), kernel)
            self.pipelines[kernel] = Pipeline(self.device, spirv, len(spec.bindings), None, spec.subgroup, name=kernel)
        buffers: list[Buffer] = []
        for binding in spec.bindings:
            name = "params" if binding.dtype == "params" else binds.get(binding.name, f"{kernel}.{binding.name}")
            nbytes = binding.nbytes(**self.sizes)
            if name not in self.buffers:
                assert binding.access != "r", f"{kernel}: nothing wrote {name}"
                self.buffers[name] = Buffer(self.device, nbytes)
                self.buffers[name].fill(0)
            assert self.buffers[name].nbytes >= nbytes or "rows" in binding.shape, f"{kernel}: {name} is too small"
            buffers.append(self.buffers[name])
        x, y, z = (dim.size(rows=rows) for dim in spec.grid)
        return Dispatch(self.pipelines[kernel], tuple(buffers), (x, y, z))

    def submit(self, params: Params, dispatches: Sequence[Dispatch]) -> None:
        """All dispatches in one submission, a barrier after each."""
        self.buffers["params"].write(params.pack())
        with Recording(self.device, dispatches) as recording:
            recording.run()

    def close(self) -> None:
        for pipeline in self.pipelines.values():
            pipeline.close()
        for buffer in self.buffers.values():
            buffer.close()
