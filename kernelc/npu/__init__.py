"""Kernels for the NPU: what they are told, what they need, and their text for mlir-aie."""
