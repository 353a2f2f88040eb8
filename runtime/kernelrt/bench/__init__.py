"""Measuring a model on a device: samples, what they say, what they cannot be, and how they are shown."""
