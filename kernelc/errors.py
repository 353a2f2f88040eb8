"""What a user may meet as an error, and the exit code of each kind."""

from enum import IntEnum


class Exit(IntEnum):
    """Exit codes of `kernelc`, as the README documents them."""

    OK = 0
    BUILD = 1  # a kernel failed to compile or broke a build criterion
    INPUT = 2  # wrong argument, model, target or file
    TOOL = 3  # a needed tool is missing or unusable
    BUNDLE = 4  # a bundle was refused
    STORE = 5  # the store or the output folder cannot be read or written
    INTERRUPTED = 130


class KernelcError(Exception):
    """One clear message for the user: what was wrong, where, what to do. Never shown as a traceback."""

    exit_code = Exit.BUILD


class InputError(KernelcError):
    exit_code = Exit.INPUT


class ToolError(KernelcError):
    exit_code = Exit.TOOL


class StoreError(KernelcError):
    exit_code = Exit.STORE
