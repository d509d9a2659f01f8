"""Trains one trial of a study once more, in this process: as it was, longer, or from its kept weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from study.driver.giving import package, write
from study.driver.taking import BEST, Subject
from study.errors import UserError
from study.spec.reader import sentence
from study.trial import TrialRecord
from trainables import checkpoint
from trainables.assignment import Assignment
from trainables.folder import Folder
from trainables.kept import generator_name, kept_steps, steps_to_keep, tidy
from trainables.kinds import build_trial, parse_settings
from trainables.protocol import Context, Measurement, Parameters, Trial
from trainables.run import TrialRun

Report = Callable[[Measurement], None]
"""Told of each evaluation."""


def train(
    found: Subject,
    folder: Path,
    cache: str,
    report: Report,
    *,
    seed: int | None = None,
    steps: int | None = None,
    from_weights: bool = False,
) -> TrialRecord:
    """Trains it in a folder of its own; what was cut off there before goes on.

    The study and its record are not changed.

    Args:
        found: The trial.
        folder: Where its files go, and in the end its generator as by ``export``.
        cache: Folder of this node for prepared data, statistics and weights.
        report: Told of each evaluation.
        seed: Another one than the trial's.
        steps: Another number of generator updates.
        from_weights: Begin with the generator that the trial kept of its best evaluation; the discriminator
            begins afresh.

    Raises:
        UserError: The settings cannot be trained so, or the folder is another training's.
    """
    names = Folder(str(folder.absolute())).names()
    if names and not checkpoint.names_among(names):
        raise UserError(
            f"{folder} holds other files, or a training that is finished; give another --to"
        )
    assignment = _assignment(found, folder, cache, seed, steps)
    build = _building(found.taken(BEST).weights) if from_weights else build_trial
    try:
        run = TrialRun(assignment, _device(found), build)
    except ValueError as error:
        raise UserError(f"{found.name} cannot be trained in {folder}: {error}") from error
    reason = _advance(run, report)
    ended = replace(
        found.trial, end_step=None, seed=assignment.seed, reason=reason
    ).with_evaluations(run.history)
    tidy(Folder(assignment.folder), steps_to_keep(ended.measurements))
    _give(Subject(found.fields, ended), assignment)
    return ended


def _assignment(
    found: Subject, folder: Path, cache: str, seed: int | None, steps: int | None
) -> Assignment:
    trial = {**found.spec.trial, **({} if steps is None else {"steps": steps})}
    try:
        parse_settings(trial)
    except ValidationError as error:
        raise UserError(f"--steps {steps}: {sentence(error)}") from error
    chosen = found.trial.seed if seed is None else seed
    return Assignment(
        identity=f"{found.trial.identity} again",
        trial=trial,
        parameters=found.trial.parameters,
        seed=chosen,
        folder=str(folder.absolute()),
        cache=cache,
        checkpoint_seconds=found.spec.resources.checkpoint_seconds,
    )


def _advance(run: TrialRun, report: Report) -> str | None:
    """Runs to the end; returns why it diverged, if it did."""
    reason = None
    try:
        while not run.finished:
            turn = run.turn()
            for measurement in turn.measurements:
                report(measurement)
            reason = turn.diverged.reason if turn.diverged else None
    finally:
        if not run.finished:  # interrupted: the same command goes on from here
            run.checkpoint()
    return reason


def _building(weights: Mapping[str, Any]) -> Callable[..., Trial]:
    def build(data: Mapping[str, Any], parameters: Parameters, context: Context) -> Trial:
        trial: Any = build_trial(data, parameters, context)
        trial.start_from(weights)
        made: Trial = trial
        return made

    return build


def _device(found: Subject) -> str:
    """The accelerator if there is one and the study uses it; on a CPU as many threads as a trial has."""
    import torch

    from trainables.devices import accelerator

    resources = found.spec.resources
    torch.set_num_threads(max(1, int(resources.cpu)))
    wanted = found.spec.settings.accelerated and resources.gpu != 0
    return (accelerator() if wanted else None) or "cpu"


def _give(found: Subject, assignment: Assignment) -> None:
    """Writes the generator of the best evaluation, if the trial trains one."""
    folder = Folder(assignment.folder)
    if found.trial.best is not None and kept_steps(folder.names()):
        from trainables.taken import take

        taken = take(found.settings, folder.read(generator_name(found.trial.best.step)))
        write(package(found, taken), Path(assignment.folder))
