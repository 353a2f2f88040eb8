"""kernelrt: load a kernelc bundle and run it. Imports nothing of kernelc."""

__version__ = "0.1.0"
