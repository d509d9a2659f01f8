"""A trial's run in MLflow as a row: its newest values, from which its best evaluation is told."""

from __future__ import annotations

from study.tracking import words
from study.tracking.tables import RunFacts
from study.trial import Outcome, TrialRecord
from trainables.levels import CEILING, FLOOR
from trainables.protocol import OWN, Measurement, Parameters

LEVELS = (FLOOR, CEILING)
"""The metrics that hold the levels of a score."""


def row_of(run: RunFacts) -> TrialRecord:
    """One run as a row; every name that publishing always sets must be there."""
    tags, metrics, parameters = run.tags, run.metrics, run.params
    sampled = {name: words.parameter_value(text) for name, text in parameters.items()}
    outcome = tags.get(words.OUTCOME)
    best = (
        Measurement(
            step=int(metrics[words.BEST_STEP]),
            score=metrics[words.BEST_SCORE],
            # Runs of earlier versions have the newest score's alone.
            noise=metrics.get(words.BEST_NOISE, metrics[words.NOISE]),
            metrics={name: metrics[name] for name in LEVELS if name in metrics},
            seconds=metrics[words.SECONDS],
            time=0.0,  # MLflow's queries do not tell
        )
        if words.BEST_SCORE in metrics
        else None
    )
    return TrialRecord(
        study=tags[words.STUDY],
        arm=tags[words.ARM],
        number=int(tags[words.NUMBER]),
        parameters=Parameters.of(sampled | {name: metrics[name] for name in OWN}),
        score_name=tags[words.SCORE_NAME],
        seed=int(tags[words.SEED]),
        outcome=None if outcome is None else Outcome(outcome),
        reason=tags.get(words.REASON),
        measurements=() if best is None else (best, *_stop(run, best)),
        early=_early(run),
        end_step=_end_step(run) if outcome else None,
        started=run.started,
        mlflow_run_id=run.run_id,
    )


def _end_step(run: RunFacts) -> int | None:
    """Updates done when a trial ended; of runs of earlier versions up to the last evaluation."""
    told = run.tags.get(words.END_STEP)
    return run.steps.get(words.SECONDS) if told is None else int(told)


def _stop(run: RunFacts, best: Measurement) -> tuple[Measurement, ...]:
    """The evaluation at which a trial was stopped, if it was, and that is not its best one."""
    step, score = run.steps.get(words.SCORE, best.step), run.metrics.get(words.SCORE)
    if run.tags.get(words.OUTCOME) != Outcome.STOPPED or score is None or step <= best.step:
        return ()
    return (Measurement(step=step, score=score, seconds=best.seconds, time=0.0),)


def _early(run: RunFacts) -> tuple[Measurement, ...]:
    """The newest early evaluation, if there is one."""
    step, score = run.steps.get(words.EARLY), run.metrics.get(words.EARLY)
    if step is None or score is None:
        return ()
    seconds = run.metrics[words.SECONDS]
    return (Measurement(step=step, score=score, seconds=seconds, time=0.0, early=True),)
