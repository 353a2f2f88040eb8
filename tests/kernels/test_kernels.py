"""Every case of every family, on lavapipe, against its fp64 oracle, with fresh data."""

import pytest

from kernelc.target import TargetSpec
from kernelrt.gpu.device import Device
from tests.kernels import harness
from tests.kernels.case import Case
from tests.kernels.on_device import every_case


@pytest.mark.parametrize("case", list(every_case(TargetSpec.load("host"))), ids=lambda case: case.name)
def test_kernel(device: Device, case: Case) -> None:
    harness.check(device, case)
