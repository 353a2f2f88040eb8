"""What a user of the compiler may meet as an error, beside what the runtime has (kernelrt.errors)."""

from kernelrt.errors import Exit, KernelrtError


class KernelcError(KernelrtError):
    """One clear message for the user: what was wrong, where, what to do. Never shown as a traceback."""

    exit_code = Exit.FAILED


class ToolError(KernelcError):
    exit_code = Exit.TOOL


class StoreError(KernelcError):
    exit_code = Exit.STORE
