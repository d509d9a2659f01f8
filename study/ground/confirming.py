"""The names of studies that confirm another one; their arms are called ARM-NUMBER."""

from __future__ import annotations

import re

_NAME = re.compile(r"(?P<study>.+)\.confirm(?:-(?P<steps>[1-9]\d*))?")


def confirming(study: str, steps: int | None = None) -> str:
    """The name of the study that confirms another one.

    Args:
        study: The study that is confirmed.
        steps: Generator updates of its trials; None: as many as in the search.

    Examples:
        >>> confirming("faces"), confirming("faces", 5000)
        ('faces.confirm', 'faces.confirm-5000')
    """
    return f"{study}.confirm" + ("" if steps is None else f"-{steps}")


def finalist_name(arm: str, number: int) -> str:
    """The arm of a confirming study that a finalist is, by the trial that it was.

    Examples:
        >>> finalist_name("two_timescale", 7)
        'two_timescale-7'
    """
    return f"{arm}-{number}"


def finalist_of_name(name: str) -> tuple[str, int]:
    """The inverse of :func:`finalist_name`.

    Examples:
        >>> finalist_of_name("two_timescale-7")
        ('two_timescale', 7)
    """
    arm, _, number = name.rpartition("-")
    return arm, int(number)


def confirmed_by(name: str) -> tuple[str, int | None] | None:
    """The study that a study of this name confirms, and by how long trials (None: as long as the search's).

    Returns:
        None if it confirms none.
    """
    found = _NAME.fullmatch(name)
    if found is None:
        return None
    return found["study"], None if found["steps"] is None else int(found["steps"])
