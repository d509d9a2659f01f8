"""The error of this package: input that cannot be used, said in one sentence."""

from __future__ import annotations


class DataError(ValueError):
    """Images, statistics or weights are missing, broken or unsuitable; the message says what to do."""


class DamagedError(DataError):
    """Files of a published data set are not as they were published; fetching them again may help."""
