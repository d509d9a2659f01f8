"""Reads array files; whatever is wrong with one is said in one sentence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.lib.format import MAGIC_PREFIX

from trainables.data.errors import DataError

Arrays = np.ndarray | dict[str, np.ndarray]


def read_arrays(file: Path, complaint: str = "it cannot be read") -> Arrays:
    """Reads a .npy file (mapped into memory, read-only) or all arrays of an .npz file.

    Args:
        file: Path of the file; what it holds decides, not what it is called.
        complaint: How the sentence begins that says why the file cannot be used.

    Raises:
        DataError: It is missing or damaged, or holds what is not an array of plain values.
    """
    try:
        with file.open("rb") as opened:
            if opened.read(len(MAGIC_PREFIX)) == MAGIC_PREFIX:
                return np.load(file, mmap_mode="r", allow_pickle=False)  # type: ignore[no-any-return]
            opened.seek(0)
            with np.load(opened, allow_pickle=False) as loaded:
                return {key: loaded[key] for key in loaded.files}
    except Exception as error:  # damaged bytes make numpy, zipfile, zlib, ... raise all sorts
        raise DataError(f"{complaint} ({reason(error)}); make the file anew") from error


def reason(error: Exception) -> str:
    """What an error of a library says, as a clause: its first line, without a full stop."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if "allow_pickle" in str(error):
        return "it holds Python objects, or is of no known format"
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__
