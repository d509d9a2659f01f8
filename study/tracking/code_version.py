"""The version of the code that is running: the installed one and, in a clone, the commit."""

from __future__ import annotations

import functools
import subprocess
from importlib import metadata
from pathlib import Path


@functools.cache
def code_version() -> str:
    """``0.1.0+g1a2b3c4d5e6f`` in a clone (with ``-dirty`` if it has changes), else ``0.1.0``."""
    try:
        version = metadata.version("ttur-study")
    except metadata.PackageNotFoundError:
        version = "0"
    commit = _commit(Path(__file__).parents[2])
    return f"{version}+g{commit}" if commit else version


def _commit(root: Path) -> str:
    """The commit of the clone at ``root``, or an empty string if it is not a clone."""
    # Only a repository whose top is ours: an installed copy may lie inside somebody else's.
    if not (root / ".git").exists():
        return ""
    command = ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=12"]
    command += ["--exclude", "*"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return answer.stdout.strip() if answer.returncode == 0 else ""
