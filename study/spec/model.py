"""The spec: a study, completely described, as Pydantic models.

The paths of the fields are the ones that people write in YAML and in ``--set``. Unknown keys are errors.
What is under ``trial`` is validated by the settings of its kind (trainables), what is in an arm beside its
budget by its search space (search_spaces).
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from study.ground.credentials import holds_secret
from study.spec.arm import Arm, Number, Whole, check_arm
from study.trial import CONFIRMING
from trainables.kinds import parse_settings
from trainables.settings.base import TrialSettings

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


LEAST_SHARE = 0.0001
"""The smallest part of a CPU or GPU that Ray can give."""


class Part(BaseModel):
    """A part of the spec; an unknown field is an error."""

    # Pydantic's own text of an error is shown with --debug, and the input may be a URL with a password.
    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, hide_input_in_errors=True
    )


class Card(Part):
    """What a recipe tells of itself."""

    summary: str = Field(default="", description="The question in a few words, for a list.")
    cost: str = Field(default="", description="Its time in a word or two, for a list.")
    question: str = Field(default="", description="What the study answers.")
    budget: str = Field(default="", description="Trials, steps and samples.")
    expected_time: str = Field(default="", description="How long it takes, and on what.")
    expected_result: str = Field(default="", description="What should come out.")
    command: str = Field(default="", description="The command that runs it.")


class Search(Part):
    """How the arms are searched."""

    sampler: Literal["joint", "tpe", "gp", "cmaes", "random", "qmc", "grid"] = Field(
        default="tpe",
        description="joint: one surface of the score that learns from the trials of all arms; the others are "
        "Optuna's, one an arm.",
    )
    seed: Whole = Field(
        default=0, ge=0, le=2**31, description="Seed of the search and of every trial."
    )
    startup: Whole = Field(
        default=5, ge=1, description="Random trials before tpe or gp begin to model."
    )


class Pruner(Part):
    """A comparison between the trials of an arm at the same step, beside the rising-score rule."""

    name: Literal["asha", "hyperband", "median"] = Field(
        description="asha and hyperband: successive halving; median: a trial goes on while its best "
        "score lies below the median of the others at the same step."
    )
    min_evaluations: Whole = Field(
        default=1, ge=1, description="Evaluations before the first decision."
    )
    reduction_factor: Whole = Field(
        default=3, ge=2, description="Of asha and hyperband: one in so many goes on at each rung."
    )


class Stopping(Part):
    """When a trial ends before its last step: its score rises, or collapses (stopping.py)."""

    rule: Literal["rising", "none"] = Field(default="rising", description="none: run every step.")
    warmup: Whole = Field(
        default=2, ge=0, description="Evaluations before the rule may stop a trial."
    )
    patience: Whole = Field(
        default=3, ge=1, description="Evaluations in a row that must lie above the best so far."
    )
    min_delta: Number = Field(
        default=1.0, ge=0, description="A rise counts when it is larger than this many noise units."
    )
    collapse: Number | None = Field(
        default=10.0, gt=1, description="A score above this multiple of the best stops at once."
    )
    pruner: Pruner | None = Field(
        default=None, description="An optional comparison with other trials."
    )


class Confirm(Part):
    """Re-training of finalists."""

    finalists: Whole = Field(default=1, ge=1, description="Configurations of each arm to re-train.")
    seeds: Whole = Field(default=8, ge=1, description="Seeds for each.")
    samples: Whole | None = Field(default=None, ge=2, description="Samples of the final score.")


class Resources(Part):
    """What a trial needs and what the local engine may use."""

    cpu: Number = Field(
        default=1.0, ge=LEAST_SHARE, description="CPUs a trial; its threads follow from it."
    )
    gpu: Number | Literal["auto"] = Field(
        default="auto",
        description="The share of a GPU that a trial gets, from 0 to 1; auto: 1 if the cluster has any.",
    )
    cpus: Whole | None = Field(default=None, ge=1, description="Local engine: CPUs in use (all).")
    max_concurrent: Whole | None = Field(default=None, ge=1, description="Most trials at once.")
    max_failures: Whole = Field(
        default=2, ge=0, description="Retries after a lost worker or an error."
    )
    stop_after_failures: Whole | None = Field(
        default=5,
        ge=1,
        description="Failed trials in a row that end the launch, none of them used up; null: never.",
    )
    checkpoint_seconds: Number = Field(
        default=15.0,
        ge=0,
        description="Least time between two checkpoints of a trial; 0: every turn.",
    )

    stop_seconds: Number = Field(
        default=8.5,
        gt=0,
        description="How long a launch that gets a signal may take to checkpoint its trials and end.",
    )

    @field_validator("gpu")
    @classmethod
    def _gpu_can_be_given(cls, value: float | str) -> float | str:
        if value == "auto" or value == 0:
            return value
        share = float(value)
        if share > 1:
            raise ValueError(
                f"gpu is {share:g}, but a trial computes on one GPU; set it to 1, and more trials run at once"
            )
        if share < LEAST_SHARE:
            raise ValueError(
                f"gpu is {share:g}; it must be 0, a share of one GPU (from {LEAST_SHARE} to 1) or auto"
            )
        return value


class Storage(Part):
    """Where things are kept; what is not given lies under the home folder."""

    record: str | None = Field(default=None, description="Optuna storage URL (SQLite, PostgreSQL).")
    tracking: str | None = Field(default=None, description="MLflow tracking URI.")
    artifacts: str | None = Field(default=None, description="MLflow artifact location.")
    checkpoints: str | None = Field(default=None, description="Path or fsspec URI all nodes reach.")
    cache: str | None = Field(default=None, description="Folder of each node for prepared data.")
    keep: Literal["best", "all", "none"] = Field(
        default="best",
        description="Whose generators are kept when trials have ended, of their best and their last "
        "evaluation: the best `keep_best` trials of each arm, all, or none.",
    )
    keep_best: Whole = Field(
        default=5,
        ge=1,
        description="Trials of each arm that keep their generators with keep: best.",
    )
    publish_generators: bool = Field(
        default=False,
        description="Whether a trial that keeps its generators when it ends has them as MLflow artifacts.",
    )

    @field_validator("record", "tracking", "artifacts", "checkpoints", "cache")
    @classmethod
    def _no_password(cls, value: str | None) -> str | None:
        if holds_secret(value):
            raise ValueError(
                "must not hold a password; give it by PGPASSFILE or PGPASSWORD (PostgreSQL) or "
                "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"
            )
        return value


ArmName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")]


class Trial(dict[str, Any]):
    """The ``trial`` part of a spec, complete, with the settings that it was validated as."""

    def __init__(self, settings: TrialSettings) -> None:
        super().__init__(settings.model_dump(mode="json"))
        self.settings = settings


class Spec(Part):
    """A study: a question with a budget."""

    name: str = Field(description="The study's identity: letters, digits, dot, dash, underscore.")
    card: Card | None = Field(default=None, description="What a recipe tells of itself.")
    trial: dict[str, Any] = Field(description="What one trial does: kind and its settings.")
    arms: dict[ArmName, Arm] = Field(min_length=1, description="The search spaces to compare.")
    search: Search = Field(default=Search(), description="How the arms are searched.")
    stopping: Stopping = Field(default=Stopping(), description="When a trial ends early.")
    confirm: Confirm = Field(default=Confirm(), description="Re-training of finalists.")
    resources: Resources = Field(default=Resources(), description="What a trial needs.")
    storage: Storage = Field(default=Storage(), description="Where things are kept.")

    @field_validator("name")
    @classmethod
    def _name_is_a_name(cls, value: str) -> str:
        if not NAME.fullmatch(value):
            raise ValueError(
                f"name is {value!r}; it must be 1 to 100 letters, digits, dots, dashes or underscores "
                "and begin with a letter or digit"
            )
        return value

    @model_validator(mode="after")
    def _name_is_not_that_of_a_confirmation(self) -> Self:
        named = self.name.endswith(CONFIRMING)
        if named and not all(re.fullmatch(r".+-\d+", arm) for arm in self.arms):
            raise ValueError(
                f"name is {self.name!r}, but `ttur confirm` calls its own studies so; choose another name"
            )
        return self

    @field_validator("trial")
    @classmethod
    def _complete_trial(cls, value: dict[str, Any]) -> dict[str, Any]:
        return Trial(parse_settings(value))

    @model_validator(mode="after")
    def _arms_fit(self) -> Self:
        for name, arm in self.arms.items():
            try:
                check_arm(arm, self.settings, self.search.sampler)
            except ValueError as error:
                raise ValueError(f"arms.{name}: {error}") from error
        return self

    @model_validator(mode="after")
    def _parts_fit(self) -> Self:
        settings, pruner = self.settings, self.stopping.pruner
        if pruner is not None and pruner.min_evaluations * settings.evaluate_every > settings.steps:
            raise ValueError(
                f"stopping.pruner.min_evaluations is {pruner.min_evaluations}, but a trial has only "
                f"{settings.steps // settings.evaluate_every} evaluations before its end; lower it"
            )
        score = self.trial.get("score")
        draws = isinstance(score, Mapping) and "samples" in score
        if self.confirm.samples is not None and not draws:
            raise ValueError(
                f"confirm.samples is {self.confirm.samples}, but a trial of kind {self.trial['kind']} "
                "draws no samples; remove it"
            )
        return self

    @property
    def settings(self) -> TrialSettings:
        """The validated settings of a trial."""
        trial = self.trial
        return trial.settings if isinstance(trial, Trial) else parse_settings(trial)

    @property
    def score_name(self) -> str:
        """The name of the score that every trial of this study has."""
        return self.settings.score_name

    def meaning(self) -> dict[str, Any]:
        """The fields that give a score its meaning; a study's later specs must have them equal."""
        return {
            "trial": self.trial,
            "search": {"sampler": self.search.sampler, "seed": self.search.seed},
        }

    @property
    def fingerprint(self) -> str:
        """The first 16 hex digits of the SHA-256 of :meth:`meaning`."""
        text = json.dumps({**self.meaning(), "trial": self.settings.identity()}, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def with_budgets(self, budgets: Mapping[str, int]) -> Spec:
        """Returns the spec with other budgets for the named arms."""
        arms = {
            name: arm.model_copy(update={"trials": budgets[name]}) if name in budgets else arm
            for name, arm in self.arms.items()
        }
        return self.model_copy(update={"arms": arms})
