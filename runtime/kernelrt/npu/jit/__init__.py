"""Core bodies as native code: standard MLIR through IREE's passes and LLVM, in process."""
