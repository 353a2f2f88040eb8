"""What a user of the runtime may meet as an error: one clear line each, never a traceback."""


class KernelrtError(Exception):
    """What was wrong, where, and what to do."""


class BundleError(KernelrtError):
    """A bundle was refused. Each reason has its own class."""


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


class WrongModelError(BundleError):
    """The bundle was built for another model than the caller asks for."""


class WrongTargetError(BundleError):
    """The bundle was built for another target than the caller asks for."""


class BundleWriteError(KernelrtError):
    """A bundle cannot be written there. What was there before still is."""
