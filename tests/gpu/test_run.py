"""Pipelines and dispatches, executed on lavapipe."""

from collections.abc import Iterator

import numpy as np
import pytest

from kernelc.toolchain.glslang import compile
from kernelrt.gpu.descriptors import Dispatch
from kernelrt.gpu.device import Device
from kernelrt.gpu.errors import GpuError
from kernelrt.gpu.memory import Buffer, upload
from kernelrt.gpu.pipeline import Pipeline
from kernelrt.gpu.run import Recording, run

# b += a * FACTOR, and the workgroup's true size.
_ACCUMULATE = """#version 460
layout(local_size_x = 32, local_size_x_id = 0) in;
layout(constant_id = 1) const int FACTOR = 2;
layout(set = 0, binding = 0, std430) readonly buffer A { float a[]; };
layout(set = 0, binding = 1, std430) buffer B { float b[]; };
layout(set = 0, binding = 2, std430) writeonly buffer C { uint size[]; };
void main() {
  uint i = gl_GlobalInvocationID.x;
  b[i] += a[i] * float(FACTOR);
  size[0] = gl_WorkGroupSize.x;
}
"""
_SUBGROUP = """#version 460
#extension GL_KHR_shader_subgroup_basic : require
layout(local_size_x = 64) in;
layout(set = 0, binding = 0, std430) writeonly buffer A { uint size[]; };
void main() { size[gl_GlobalInvocationID.x] = gl_SubgroupSize; }
"""


@pytest.fixture(scope="module")
def device() -> Iterator[Device]:
    with Device.open("llvmpipe") as opened:
        yield opened


def _accumulate(device: Device, **constants: int) -> Pipeline:
    ids = {"workgroup": 0, "factor": 1}
    specialized = {ids[name]: value for name, value in constants.items()}
    return Pipeline(device, compile(_ACCUMULATE, "accumulate"), 3, specialized, name="accumulate")


@pytest.mark.parametrize("host", [True, False])
@pytest.mark.parametrize("workgroup", [32, 128])
@pytest.mark.parametrize("factor", [5, -3])
@pytest.mark.parametrize("repeats", [1, 4])
def test_dispatches_see_each_other_in_order(
    device: Device, host: bool, workgroup: int, factor: int, repeats: int
) -> None:
    a = np.random.default_rng().integers(-1000, 1000, 512).astype(np.float32)
    pipeline = _accumulate(device, workgroup=workgroup, factor=factor)
    buffers = [Buffer(device, 2048, host), Buffer(device, 2048, host), Buffer(device, 4, host)]
    buffers[0].write(a)
    buffers[1].fill(0)
    run(device, pipeline, buffers, (512 // workgroup, 1, 1), repeats)
    np.testing.assert_array_equal(buffers[1].array(np.float32), a * factor * repeats)
    assert buffers[2].array(np.uint32)[0] == workgroup


def test_without_constants_the_defaults_of_the_shader_hold(device: Device) -> None:
    a, b, c = upload(device, np.ones(64, np.float32)), Buffer(device, 256), Buffer(device, 4)
    b.fill(0)
    run(device, _accumulate(device), [a, b, c], (2, 1, 1))
    np.testing.assert_array_equal(b.array(np.float32), np.full(64, 2, np.float32))
    assert c.array(np.uint32)[0] == 32


def test_a_recording_runs_again_on_new_contents(device: Device) -> None:
    a, b, c = Buffer(device, 256), Buffer(device, 256), Buffer(device, 4)
    first, second = _accumulate(device, factor=1), _accumulate(device, factor=10)
    dispatches = [Dispatch(first, (a, b, c), (2, 1, 1)), Dispatch(second, (b, a, c), (2, 1, 1))]
    with Recording(device, dispatches) as recording:
        for start in (1.0, -7.0):
            a.write(np.full(64, start, np.float32))
            b.fill(0)
            assert recording.run() is None
            np.testing.assert_array_equal(b.array(np.float32), np.full(64, start, np.float32))
            np.testing.assert_array_equal(a.array(np.float32), np.full(64, 11 * start, np.float32))


def test_a_recording_is_waited_for_before_it_runs_again(device: Device) -> None:
    """To wait for what is over, or was never begun, takes no time."""
    a, b, c = upload(device, np.ones(64, np.float32)), Buffer(device, 256), Buffer(device, 4)
    b.fill(0)
    with Recording(device, [Dispatch(_accumulate(device, factor=1), (a, b, c), (2, 1, 1))]) as recording:
        recording.wait()
        recording.start()
        with pytest.raises(GpuError, match="submitted again before it was waited for"):
            recording.start()
        recording.wait()
        recording.wait()
        recording.run()
    np.testing.assert_array_equal(b.array(np.float32), np.full(64, 2, np.float32))


def test_timing_counts_and_computes(device: Device) -> None:
    a, b, c = upload(device, np.ones(64, np.float32)), Buffer(device, 256), Buffer(device, 4)
    b.fill(0)
    dispatch = Dispatch(_accumulate(device), (a, b, c), (2, 1, 1))
    with Recording(device, [dispatch] * 3, timed=True) as recording:
        passed = recording.run()
    assert passed is not None
    assert passed > 0
    np.testing.assert_array_equal(b.array(np.float32), np.full(64, 6, np.float32))


def test_the_native_subgroup_size_can_be_required(device: Device) -> None:
    spirv = compile(_SUBGROUP, "subgroup")
    with Buffer(device, 256) as buffer:
        run(device, Pipeline(device, spirv, 1, subgroup=device.info.subgroup), [buffer], (1, 1, 1))
        assert set(buffer.array(np.uint32)) == {device.info.subgroup}


def test_a_subgroup_size_that_the_device_lacks_is_refused(device: Device) -> None:
    with pytest.raises(GpuError, match="wide: needs subgroups of 128; llvmpipe"):
        Pipeline(device, compile(_SUBGROUP, "wide"), 1, subgroup=128, name="wide")


def test_dispatches_that_do_not_fit_are_refused(device: Device) -> None:
    pipeline, small = _accumulate(device), Buffer(device, 256)
    with pytest.raises(GpuError, match="accumulate: 3 bindings, 2 buffers"):
        run(device, pipeline, [small, small], (1, 1, 1))
    with pytest.raises(GpuError, match=r"a grid of \(0, 1, 1\)"):
        run(device, pipeline, [small] * 3, (0, 1, 1))
    with pytest.raises(GpuError, match=r"a grid of \(1, 65536, 1\)"):
        run(device, pipeline, [small] * 3, (1, 65536, 1))
    large = Buffer(device, device.info.max_storage_range + 16)
    with pytest.raises(GpuError, match="accumulate: binding 1 is 134217744 bytes"):
        run(device, pipeline, [small, large, small], (1, 1, 1))
    large.close()


@pytest.mark.parametrize("spirv", [b"", b"\x03\x02\x23\x07", b"\x07\x23\x02\x03" * 8, b"\x03\x02\x23\x07" + bytes(18)])
def test_what_is_no_spirv_is_refused(device: Device, spirv: bytes) -> None:
    with pytest.raises(GpuError, match="junk: not a little-endian SPIR-V module"):
        Pipeline(device, spirv, 1, name="junk")


def test_everything_is_freed_with_its_device() -> None:
    with Device.open("llvmpipe") as opened:
        a, b, c = (Buffer(opened, 256) for _ in range(3))
        recording = Recording(opened, [Dispatch(_accumulate(opened), (a, b, c), (2, 1, 1))])
        recording.run()
    recording.close()  # nothing is left to free
    a.close()
    with pytest.raises(GpuError, match="this Buffer is closed"):
        a.read()
    with pytest.raises(GpuError, match="this Recording is closed"):
        recording.run()


def test_what_was_closed_cannot_be_used(device: Device) -> None:
    a, b, c = (Buffer(device, 256) for _ in range(3))
    pipeline = _accumulate(device)
    recording = Recording(device, [Dispatch(pipeline, (a, b, c), (2, 1, 1))])
    b.close()
    with pytest.raises(GpuError, match="this Buffer is closed"):
        recording.run()
    with pytest.raises(GpuError, match="this Buffer is closed"):
        run(device, pipeline, [a, b, c], (1, 1, 1))
    pipeline.close()
    with pytest.raises(GpuError, match="this Pipeline is closed"):
        run(device, pipeline, [a, a, c], (1, 1, 1))
