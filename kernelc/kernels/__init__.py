"""The kernel families, a module each.

`spec(...)` makes one kernel, `kernels(model, target, buckets)` those that a bundle needs.
"""
