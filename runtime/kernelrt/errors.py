"""What a user may meet as an error, and the exit code of each kind: one clear line each, never a traceback."""

from enum import IntEnum


class Exit(IntEnum):
    """Exit codes of `kernelc` and `kernelrt`, as the README documents them."""

    OK = 0
    FAILED = 1  # a kernel did not compile or broke a build criterion; a run or a measurement went wrong
    INPUT = 2  # wrong argument, model, target, weights or prompt
    TOOL = 3  # a needed tool or device is missing or cannot do it
    BUNDLE = 4  # a bundle was refused
    STORE = 5  # a folder or file cannot be read or written
    INTERRUPTED = 130


class KernelrtError(Exception):
    """What was wrong, where, and what to do."""

    exit_code = Exit.TOOL


class InputError(KernelrtError):
    """An argument or a file of the user's that cannot be used."""

    exit_code = Exit.INPUT


class FileError(KernelrtError):
    """A file cannot be read or written."""

    exit_code = Exit.STORE


class RunError(KernelrtError):
    """A run went wrong: its numbers cannot be used."""

    exit_code = Exit.FAILED


class BundleError(KernelrtError):
    """A bundle was refused. Each reason has its own class."""

    exit_code = Exit.BUNDLE


class NotABundleError(BundleError):
    """There is no bundle at that path, or it cannot be read."""


class ManifestError(BundleError):
    """The manifest is not what a build writes: garbage, too large, altered, or with a field missing or wrong."""


class SchemaError(BundleError):
    """The manifest has a schema version that this runtime does not know."""


class AbiError(BundleError):
    """The kernels follow an ABI that this runtime does not know."""


class MissingFileError(BundleError):
    """A file that the manifest names is not there."""


class ExtraFileError(BundleError):
    """A file is there that the manifest does not name."""


class TruncatedFileError(BundleError):
    """A file has not the size that the manifest says."""


class AlteredFileError(BundleError):
    """A file has not the SHA-256 that the manifest says."""


class OutsidePathError(BundleError):
    """A path leads out of the bundle: absolute, with `..`, or a symbolic link."""


class DuplicateError(BundleError):
    """Two kernels or two files of one name."""


class MissingKernelError(BundleError):
    """The bundle has no kernel for what is asked of it."""


class WrongModelError(BundleError):
    """The bundle was built for another model than the caller asks for."""


class WrongTargetError(BundleError):
    """The bundle was built for another target than the caller asks for."""


class BundleWriteError(KernelrtError):
    """A bundle cannot be written there. What was there before still is."""
