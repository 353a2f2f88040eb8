"""Every case of every family, on lavapipe, against its fp64 oracle, with fresh data."""

import pkgutil

import pytest

from kernelc.plan import families
from kernelc.target import TargetSpec
from kernelrt.gpu.device import Device
from tests.kernels import cases, harness
from tests.kernels.case import Case
from tests.kernels.on_device import every_case


@pytest.mark.parametrize("case", list(every_case(TargetSpec.load("host"))), ids=lambda case: case.name)
def test_kernel(device: Device, case: Case) -> None:
    harness.check(device, case)


def test_every_family_has_cases() -> None:
    names = {family.__name__.rpartition(".")[2] for family in families()}
    assert {module.name for module in pkgutil.iter_modules(cases.__path__)} == names
