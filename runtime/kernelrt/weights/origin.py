"""What a cache file was made of, so that it need not outlive it."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Origin:
    """A weights file, by its absolute path, as it was when it was read."""

    path: Path
    size: int
    mtime_ns: int

    @property
    def remains(self) -> bool:
        """Whether it is there and was not replaced, as far as can be told."""
        try:
            status = self.path.stat()
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError:  # it may be there
            return True
        return (status.st_size, status.st_mtime_ns) == (self.size, self.mtime_ns)
