"""kernelc: compile a model's kernels, specialised for one machine, into a verified bundle."""

__version__ = "0.1.0"
