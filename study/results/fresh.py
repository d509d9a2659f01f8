"""The runs of a confirmation as further scores of the search's settings, for the surface that knows both.

The search's own score of a finalist was chosen for being low; those of its fresh seeds were not. A surface
that is given all of them needs no correction for that: it is told of every score, the chosen and the others.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import replace

from study.errors import UserError
from study.ground.confirming import confirmed_by, finalist_of_name
from study.trial import TrialRecord
from trainables.protocol import Parameters

_FINALIST = re.compile(r".+-\d+")

CLOSE = 1e-9
"""How far a fixed rate may come back from a sampler, as a part of it."""


def repeats(rows: Sequence[TrialRecord], confirming: Sequence[TrialRecord]) -> list[TrialRecord]:
    """The runs of a confirming study as trials of the settings that they repeat.

    Runs with scores of another protocol (more samples) are left out, as are those of a setting that no trial
    of the search has. Runs of another length are a study of their own, which is not to be given.

    Args:
        rows: The search's trials.
        confirming: Those of the study that confirms it, ended or not.

    Returns:
        Those that count, each with the arm, the number and the parameters of the trial that it repeats.
    """
    searched = {(row.arm, row.number): row for row in rows}
    found = []
    for run in confirming:
        mine = searched.get(finalist_of_name(run.arm))
        if mine is None or not run.counts or run.score_name != mine.score_name:
            continue
        if _same(run.parameters, mine.parameters):
            found.append(replace(run, arm=mine.arm, number=mine.number, parameters=mine.parameters))
    return found


def told_apart(rows: Sequence[TrialRecord]) -> tuple[list[TrialRecord], list[TrialRecord]]:
    """The trials of a table as those of a search and the runs that confirm it.

    Args:
        rows: Trials; those of a study that confirms another one of the table are its runs.

    Returns:
        The search's trials; the runs that are as long as these. Longer ones are of neither.

    Raises:
        UserError: A run does not say which trial it repeats.
    """
    studies = {row.study for row in rows}
    of = [(row, confirmed_by(row.study) or (None, None)) for row in rows]
    searched = [row for row, (study, _) in of if study not in studies]
    again = [row for row, (study, steps) in of if study in studies and steps is None]
    for row in again:
        if not _FINALIST.fullmatch(row.arm):
            raise UserError(
                f"column 'arm' holds {row.arm!r} for the study {row.study!r}; the arms of a study that "
                "confirms another are its finalists: ARM-NUMBER"
            )
    return searched, again


def _same(one: Parameters, other: Parameters) -> bool:
    rates = zip((one.b, one.a), (other.b, other.a), strict=True)
    return (
        all(math.isclose(*each, rel_tol=CLOSE) for each in rates)
        and one.d_steps == other.d_steps
        and dict(one.further) == dict(other.further)
    )
