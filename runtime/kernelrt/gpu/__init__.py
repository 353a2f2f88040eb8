"""Vulkan compute: devices, buffers, pipelines, recorded dispatches."""
