"""The state of one trial's run in MLflow, and the sending of what it lacks: values first, its status last."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import zip_longest
from typing import TYPE_CHECKING

from study.ground.faults import point
from study.tracking import content, words
from study.tracking.experiment import Experiment
from study.tracking.files import There
from study.trial import TrialRecord
from trainables.protocol import OWN, by_step

if TYPE_CHECKING:
    from mlflow.entities import Run

_METRICS_A_CALL, _TEXTS_A_CALL = 700, 90
"""Below MLflow's limits for one batch: 1000 entries in all, 100 parameters, 100 tags."""


@dataclass
class Sent:
    """What MLflow has of one run, as far as this process knows."""

    run_id: str
    status: str = content.RUNNING
    outcome: str | None = None
    has_parameters: bool = False
    scores: dict[int, float] = field(default_factory=dict)
    early: dict[int, float] = field(default_factory=dict)
    files: There = field(default_factory=dict)
    ended: bool = False


def read_sent(experiment: Experiment, run: Run) -> Sent:
    """What MLflow has of a run; the history of its scores only while it may still grow."""
    sent = Sent(
        run.info.run_id,
        status=run.info.status,
        outcome=run.data.tags.get(words.OUTCOME),
        # MLflow stores a batch in several transactions, parameters before metrics: a process that
        # was killed between the two left parameters alone.
        has_parameters=OWN[0] in run.data.metrics,
    )
    # The status is sent last, so a run that has ended with its outcome has everything.
    sent.ended = sent.outcome is not None and sent.status in (content.FINISHED, content.FAILED)
    if not sent.ended and words.SCORE in run.data.metrics:
        sent.scores = scores_sent(experiment, sent.run_id)
    if not sent.ended and words.EARLY in run.data.metrics:
        sent.early = scores_sent(experiment, sent.run_id, words.EARLY)
    return sent


def scores_sent(experiment: Experiment, run_id: str, metric: str = words.SCORE) -> dict[int, float]:
    """The scores, or early evaluations, that MLflow has of a run, by step."""
    history = experiment.client.get_metric_history(run_id, metric)
    return by_step(content.scores_of(history))


def send_values(experiment: Experiment, record: TrialRecord, sent: Sent) -> None:
    """Parameters, evaluations and the outcome, in as few requests as MLflow's limits allow."""
    from mlflow.entities import Param, RunTag

    metrics = [
        *content.early_metrics(record.early, sent.early),
        *content.evaluation_metrics(record.measurements, sent.scores),
    ]
    parameters: list[Param] = []
    if not sent.has_parameters:
        metrics = [*content.parameter_metrics(record), *metrics]
        parameters = [Param(key, value) for key, value in content.parameter_texts(record).items()]
    tags = [RunTag(key, value) for key, value in content.outcome_tags(record).items()]
    if sent.outcome == record.outcome:
        tags = []
    for some_metrics, some_parameters, some_tags in zip_longest(
        content.chunks(metrics, _METRICS_A_CALL),
        content.chunks(parameters, _TEXTS_A_CALL),
        content.chunks(tags, _TEXTS_A_CALL),
        fillvalue=(),
    ):
        experiment.client.log_batch(
            sent.run_id,
            metrics=some_metrics,
            params=some_parameters,
            tags=some_tags,
            synchronous=True,
        )
    sent.has_parameters = True
    sent.scores |= by_step(record.measurements)
    sent.early |= by_step(record.early)


def send_status(experiment: Experiment, record: TrialRecord, sent: Sent) -> None:
    """Brings a run's status, and when it ended, to those of the record; sent last, when all else is there."""
    status = content.status(record)
    if sent.outcome is not None and sent.outcome != record.outcome:
        # A trial that runs again may have ended well before anything was sent of its running.
        told = content.outcome_tags(record)
        for tag in {words.OUTCOME, words.REASON, words.END_STEP} - told.keys():
            _remove_tag(experiment, sent.run_id, tag)
    if status == content.RUNNING and sent.status != content.RUNNING:
        experiment.reopen(sent.run_id)
    elif status != content.RUNNING and (sent.status != status or sent.outcome != record.outcome):
        ended = record.ended if record.ended is not None else content.last_moment(record)
        point("run-ending")
        experiment.client.set_terminated(sent.run_id, status, content.milliseconds(ended))
        point("run-ended")
    sent.status = status
    sent.outcome = record.outcome
    sent.ended = record.outcome is not None
    if sent.ended:
        sent.scores, sent.early = {}, {}


def _remove_tag(experiment: Experiment, run_id: str, tag: str) -> None:
    if tag in experiment.client.get_run(run_id).data.tags:
        experiment.client.delete_tag(run_id, tag)
