"""Vulkan's validation layers, synchronization checks included, have nothing to say of loading and running."""

import os
import subprocess
import sys


def _validated(what: str) -> str:
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(sys.path),
        "VK_INSTANCE_LAYERS": "VK_LAYER_KHRONOS_validation",
        "VK_LAYER_ENABLES": "VK_VALIDATION_FEATURE_ENABLE_SYNCHRONIZATION_VALIDATION_EXT",
    }
    command = [sys.executable, "-m", "tests.gpu.validated", what]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith("done\n")
    return done.stdout + done.stderr


def test_the_layers_are_here_and_see_mistakes() -> None:
    """Else the next test could not fail: on Debian they come with the package vulkan-validationlayers."""
    said = _validated("wrong")
    assert "VUID-vkCmdCopyBuffer-size" in said
    assert "SYNC-HAZARD-WRITE-AFTER-WRITE" in said


def test_loading_is_valid() -> None:
    assert _validated("load") == "done\n"


def test_an_engine_is_valid_from_its_first_call_to_its_last() -> None:
    assert _validated("live") == "done\n"
