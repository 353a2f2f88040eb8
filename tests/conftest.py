"""The one device of the test run: lavapipe. A missing driver is a failure with a name, never a skip."""

from collections.abc import Iterator

import pytest

from kernelrt.gpu.device import Device


@pytest.fixture(scope="session", autouse=True)
def weights_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No test leaves repacked weights in the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KERNELRT_CACHE", str(tmp_path_factory.mktemp("weights-cache")))
        yield


@pytest.fixture(scope="session")
def device() -> Iterator[Device]:
    with Device.open("llvmpipe") as opened:
        yield opened
