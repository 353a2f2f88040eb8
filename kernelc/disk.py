"""What the disk refuses, in words that say what to do."""

import errno

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_DENIED = (errno.EACCES, errno.EPERM)


def advice(e: OSError) -> str:
    """One line on an error under the store."""
    where = f" ({e.filename})" if e.filename else ""
    if e.errno in _FULL:
        return f"the disk is full{where}; free some space, or give another place with --store"
    if e.errno == errno.EROFS:
        return f"read-only{where}; give a writable place with --store"
    if e.errno in _DENIED:
        return f"permission denied{where}; give a place of your own with --store"
    if e.errno in (errno.ENOTDIR, errno.EEXIST):
        return f"a file is where a folder should be{where}; move it, or give another place with --store"
    return f"{e.strerror or e}{where}; give another place with --store"
