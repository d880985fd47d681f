"""Hashes of the files of a corpus, remembered for files that have not been touched since."""

import contextlib
import hashlib
import json
import os
from pathlib import Path

from nmt.data.pairs import HashOf
from nmt.data.untouched import HERE, settled, states
from nmt.errors import StorageError
from nmt.files import atomic_write


class RememberedHashes:
    """Hashes of files by `hash_of`, each kept as a small file in a directory; one that cannot be kept is made again."""

    def __init__(self, directory: Path, hash_of: HashOf) -> None:
        self._directory = directory
        self._hash_of = hash_of

    def __call__(self, path: str) -> str:
        """The hash of a file; errors as of `hash_of`."""
        place = os.path.abspath(path)
        known = self._directory / f"{hashlib.sha256(os.fsencode(place)).hexdigest()[:24]}-{HERE}.json"
        try:
            found = states([place])
        except OSError:
            return self._hash_of(path)  # which explains it
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            stored = json.loads(known.read_bytes())
            if stored["states"] == found:
                return str(stored["hash"])
        keep = settled(found)
        result = self._hash_of(path)
        if keep:
            with contextlib.suppress(StorageError):
                atomic_write(known, json.dumps({"states": found, "hash": result}))
        return result
