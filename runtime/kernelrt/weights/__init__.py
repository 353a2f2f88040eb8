"""Weights: files of Hugging Face and GGUF, and random ones; their way into the planes of a device."""
