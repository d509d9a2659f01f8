"""One thread for matrices as small as a surface's: more of them only wait for each other."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager

from threadpoolctl import ThreadpoolController


@contextmanager
def one_thread() -> Iterator[None]:
    """Lets the linear algebra of NumPy and SciPy run on one thread inside; around a function as well.

    BLAS takes as many threads as there are CPUs, and each spins while it waits for the others. Beside
    trials that keep the CPUs busy, a comparison of 16 trials took 8 s of CPU so, and takes 0.3 s.

    Examples:
        >>> with one_thread():
        ...     pass
    """
    with _controller().limit(limits=1, user_api="blas"):
        yield


@functools.cache
def _controller() -> ThreadpoolController:
    """Of the libraries that are loaded when it is first asked for; finding them takes milliseconds."""
    import scipy.linalg  # noqa: F401  # brings a BLAS of its own

    return ThreadpoolController()
