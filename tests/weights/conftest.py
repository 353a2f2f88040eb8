"""No test writes into the user's cache."""

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where this test's repacked cache files go."""
    monkeypatch.setenv("KERNELRT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "weights"
