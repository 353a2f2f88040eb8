"""The NPU: designs in mlir-aie's language, their simulator, and XRT."""
