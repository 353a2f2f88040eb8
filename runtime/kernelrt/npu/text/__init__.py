"""Designs as text: mlir-aie's language, read and verified. `load` is the way in."""
