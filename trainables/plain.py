"""Plain values: all that a trial's evaluations and its state are made of, whatever its code makes them of.

Evaluations are numbers, which the record, MLflow and JSON take. States are read again without running code:
by ``torch.load(…, weights_only=True)``, which makes nothing but what it knows to be harmless, and here
NumPy's numbers and arrays of them as well. Arrays of nothing else: the types of numbers are built in, so that
nothing is taken over of what a file says of them, where objects could be made to point anywhere.
"""

from __future__ import annotations

import functools
import io
import math
import operator
import pickletools
import sys
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from trainables.protocol import Diverged, Measurement

PLAIN = "dicts, lists, tensors, numbers, NumPy arrays of numbers, and texts"
"""What a state is made of, for messages."""

NUMBERS = "biufc"
"""The kinds of NumPy's types that are numbers."""

_NAMES = frozenset(
    {
        "_codecs.encode",
        "__builtin__.complex",
        "__builtin__.set",
        "collections.Counter",
        "collections.OrderedDict",
    }
)
"""What a file of a state without tensors may name besides."""


@functools.cache
def harmless() -> list[Callable[..., Any] | tuple[Callable[..., Any], str]]:
    """What NumPy's numbers and arrays of them are made of, with the names that files have for it."""
    made: list[Any] = [np.float64().__reduce__()[0], np.empty(0).__reduce__()[0]]
    types = (np.dtype(code) for code in np.typecodes["All"])
    kinds = dict.fromkeys(type(each) for each in types if each.kind in NUMBERS)
    # Its inner package was called `core` before version 2, and is in the files of that time.
    inner = [
        (each, f"numpy.{core}.multiarray.{each.__name__}")
        for each in made
        for core in ("_core", "core")
    ]
    return [
        *inner,
        (np.ndarray, "numpy.ndarray"),
        (np.dtype, "numpy.dtype"),
        *((kind, f"numpy.dtypes.{kind.__name__}") for kind in kinds),
        # Empty ones, as those of an array of nothing; torch calls them by their name of today.
        *((bytes, f"{package}.bytes") for package in ("__builtin__", "builtins")),
    ]


def strange(state: object, content: bytes) -> list[str]:
    """What a state holds that cannot be read again.

    Args:
        state: The state.
        content: The file that it was packed into.

    Returns:
        Names of types and functions; empty if all of it is plain.
    """
    named = _named(content)
    arrays = (each for each in _leaves(state) if isinstance(each, np.ndarray | np.generic))
    odd = [f"a NumPy array of {each.dtype}" for each in arrays if each.dtype.kind not in NUMBERS]
    return list(dict.fromkeys([*named, *odd]))


def _named(content: bytes) -> list[str]:
    """What a file names that is not made when it is read."""
    if "torch" in sys.modules:
        from torch import serialization

        with serialization.safe_globals(harmless()):
            return serialization.get_unsafe_globals_in_checkpoint(io.BytesIO(content))
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        (pickled,) = (
            archive.read(name) for name in archive.namelist() if name.endswith("/data.pkl")
        )
    known = {*_NAMES, *(each[1] for each in harmless() if isinstance(each, tuple))}
    named = (str(what) for code, what, _ in pickletools.genops(pickled) if code.name == "GLOBAL")
    return [name for name in (each.replace(" ", ".") for each in named) if name not in known]


def _leaves(value: object) -> Iterator[object]:
    if isinstance(value, Mapping):
        for each in value.values():
            yield from _leaves(each)
    elif isinstance(value, list | tuple | set):
        for each in value:
            yield from _leaves(each)
    else:
        yield value


def taken(event: object) -> Measurement | Diverged:
    """What a trial says of itself, in plain numbers: its code may make them of NumPy or of tensors.

    Args:
        event: From the trial. One whose score is not finite has diverged.

    Raises:
        ValueError: Something is not a number; the message says which, and what it should be.
    """
    if not isinstance(event, Measurement | Diverged):
        raise ValueError(
            f"the trial's advance returned {event!r:.60}; make it return a Measurement, Diverged or None"
        )
    try:
        step = operator.index(event.step)
    except TypeError:
        raise ValueError(
            f"the trial's step is {event.step!r}; make it the whole number of steps that it has made"
        ) from None
    if isinstance(event, Diverged):
        return replace(event, step=step)
    score, noise = _number("score", event.score), _number("noise", event.noise)
    if not math.isfinite(score):
        return Diverged(step=step, reason=f"the score is {score}")
    if noise < 0:
        raise ValueError(
            f"the trial's noise is {noise:g}; make it a standard deviation, or 0 if it is unknown"
        )
    metrics = {name: _number(f"metric {name}", value) for name, value in event.metrics.items()}
    return replace(
        event, step=step, score=score, noise=noise if math.isfinite(noise) else 0.0, metrics=metrics
    )


def _number(what: str, value: object) -> float:
    found = float(value) if isinstance(value, bool | np.bool_) else number(value)
    if found is None:
        raise ValueError(f"the trial's {what} is {value!r:.60}; make it a number")
    return found


def number(value: object) -> float | None:
    """A number of Python, NumPy or torch as one of Python; None of anything else, as of an array or a truth.

    Example:
        >>> number(np.float32(0.5)), number([0.5])
        (0.5, None)
    """
    single = isinstance(value, np.generic) or getattr(value, "shape", None) == ()
    found = value.item() if single else value  # type: ignore[attr-defined]
    if isinstance(found, np.floating):  # the longest ones stay NumPy's
        return float(found)
    return found if isinstance(found, int | float) and not isinstance(found, bool) else None
