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

from pydantic import Field, field_validator, model_validator

from study.ground.confirming import confirmed_by
from study.ground.credentials import holds_secret
from study.spec.parts import Arm, Card, Confirm, Number, Part, Search, Stopping, Whole, check_arm
from trainables.counting import counted
from trainables.kinds import parse_settings
from trainables.settings.base import TrialSettings

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


LEAST_SHARE = 0.0001
"""The smallest part of a CPU or GPU that Ray can give."""


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
        named = confirmed_by(self.name)
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
                f"stopping.pruner.min_evaluations is {pruner.min_evaluations}, but before its end a trial "
                f"has only {counted(settings.steps // settings.evaluate_every, 'evaluations')}; lower it"
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

    def states(self, group: str, field: str) -> bool:
        """Whether the trial's settings were given a field of a group, and did not take its default."""
        return field in getattr(getattr(self.settings, group, None), "model_fields_set", ())

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
