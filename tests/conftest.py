"""The one device of the test run: lavapipe. A missing driver is a failure with a name, never a skip."""

from collections.abc import Iterator

import pytest

from kernelrt.gpu.device import Device


@pytest.fixture(scope="session")
def device() -> Iterator[Device]:
    with Device.open("llvmpipe") as opened:
        yield opened
