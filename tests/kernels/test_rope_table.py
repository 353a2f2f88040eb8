"""The RoPE table's absolute error, at every position that a model may reach."""

import math

import numpy as np
import pytest

from kernelc.kernels.rope_table import spec, turn_steps
from kernelrt.gpu.device import Device
from kernelrt.params import Params
from tests.kernels import harness
from tests.oracle.rope_table import rope_table

KINDS = ((10_000.0, 1.0), (1_000_000.0, 8.0), (1_000_000.0, 1.0))  # theta and scale of local and global layers


@pytest.mark.parametrize(("theta", "scale"), KINDS)
def test_absolute_error(device: Device, theta: float, scale: float) -> None:
    positions, head_dim = 131072, 16
    made = spec(layer="local", positions=positions, head_dim=head_dim, theta=theta, scale=scale)
    out = harness.execute(device, made, {}, Params(0), 1)["table"].astype(np.float64)
    expected = rope_table(np.arange(positions), head_dim, theta, scale)
    assert np.abs(out.reshape(expected.shape) - expected).max() < 2e-7


@pytest.mark.parametrize(("theta", "scale"), KINDS)
def test_turn_steps_are_the_frequencies(theta: float, scale: float) -> None:
    head_dim = 256
    frequency = theta ** (-2 * np.arange(head_dim // 2) / head_dim) / scale / math.tau
    steps = np.array(turn_steps(head_dim, theta, scale), np.float64) / 2.0**64
    np.testing.assert_allclose(steps, frequency, rtol=1e-13, atol=2.0**-63)
