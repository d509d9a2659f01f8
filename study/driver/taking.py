"""One trial of a study, found by its name: its story, its files, its generator, its configuration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from study.errors import UserError
from study.places.locations import Places
from study.record.opening import require
from study.search.samplers import derived_seed
from study.spec.model import Spec
from study.spec.reader import dump_yaml, parse_stored
from study.trial import TrialRecord, ranked
from trainables.folder import Folder, read_measurements
from trainables.kept import generator_name, kept_steps
from trainables.kinds import as_stored, parse_settings, with_parameters
from trainables.settings.adversarial import AdversarialSettings
from trainables.settings.base import TrialSettings

if TYPE_CHECKING:
    from trainables.taken import Taken

LAST, BEST = "last", "best"
"""Which evaluation's generator is meant."""


@dataclass(frozen=True)
class Subject:
    """One trial of a study, and where its files are; nothing that the spec names is imported by a look at it.

    Attributes:
        fields: The study's spec as the record has it.
        trial: The trial as the record and its folder know it.
    """

    fields: Mapping[str, Any]
    trial: TrialRecord

    @cached_property
    def spec(self) -> Spec:
        """The study; a search space of the user's own is imported by this."""
        return parse_stored(self.fields)

    @property
    def name(self) -> str:
        """``ARM/NUMBER``."""
        return f"{self.trial.arm}/{self.trial.number}"

    @property
    def files(self) -> list[str]:
        """The paths of its files, relative to its folder."""
        return Folder(self.trial.folder).below()

    def taken(self, which: str = BEST) -> Taken:
        """Its generator of the best evaluation, or of the last.

        Raises:
            UserError: None is kept, or it cannot be rebuilt; the sentence says what to do.
        """
        from trainables.taken import take

        if not isinstance(self.settings, AdversarialSettings):
            kind = self.fields["trial"]["kind"]
            raise UserError(f"{self.name} is a trial of kind {kind}, which trains no generator")
        folder = Folder(self.trial.folder)
        step = self._step(kept_steps(folder.names()), which)
        try:
            return take(self.settings, folder.read(generator_name(step)))
        except ValueError as error:
            raise UserError(f"the generator of {self.name} cannot be used: {error}") from error

    def _step(self, kept: list[int], which: str) -> int:
        measured = self.trial.measurements
        wanted = measured[-1].step if which == LAST and measured else self.trial.step
        if wanted is None:
            raise UserError(f"{self.name} of {self.spec.name} has no score{self._why}")
        if wanted in kept:
            return wanted
        there = f"; the one of step {kept[-1]} is there (--last)" if kept and which != LAST else ""
        raise UserError(
            f"no generator of {self.name} of {self.spec.name} is kept of step {wanted}{there} (storage.keep "
            f"is {self.spec.storage.keep}); train it again: ttur train {self.spec.name} {self.name}"
        )

    @property
    def _why(self) -> str:
        if self.trial.outcome is None:
            return " yet; let it run first"
        return f": it ended as {self.trial.outcome} before its first one; take another trial"

    @property
    def settings(self) -> TrialSettings:
        """The settings of the trial, with what was sampled."""
        return with_parameters(self.spec.settings, self.trial.parameters.further)

    def alone(self) -> str:
        """Its finished configuration: the YAML of a study that trains this setting, and nothing else."""
        arm, found = f"{self.trial.arm}-{self.trial.number}", self.trial.parameters
        made: dict[str, Any] = {
            "name": f"{self.spec.name}-{arm}"[:100],
            "trial": self.settings.model_dump(mode="json"),
            **self.spec.model_dump(mode="json", include={"stopping", "resources"}),
        }
        made["arms"] = {
            arm: {
                "space": "two_timescale",
                "trials": 1,
                "b": [found.b, found.b],
                "a": [found.a, found.a],
                "d_steps": [found.d_steps],
            }
        }
        made["search"] = {"sampler": "random", "seed": self.spec.search.seed}
        return dump_yaml(made)


def subject(fields: Mapping[str, Any], places: Places, which: str | None = None) -> Subject:
    """Finds a trial of a study.

    Args:
        fields: The study's spec as the record has it.
        places: Where the study is.
        which: ``ARM/NUMBER``; None: the trial with the lowest score.

    Raises:
        UserError: There is no such trial, or none has a score.
    """
    name, arms = str(fields["name"]), list(fields["arms"])
    arm, number = (None, None) if which is None else _parsed(arms, which)
    trials = [t for each in arms if arm in (None, each) for t in _trials(places.record, name, each)]
    if number is None:
        best = ranked(trials)
        if not best:
            raise UserError(f"no trial of {name} has a score yet; let it run first")
        return Subject(fields, _whole(fields, places, best[0]))
    for trial in trials:
        if trial.number == number:
            return Subject(fields, _whole(fields, places, trial))
    raise UserError(f"{name} has no trial {which}; {arm} has {len(trials)}, from {arm}/0 on")


def _parsed(arms: list[str], which: str) -> tuple[str, int]:
    arm, _, number = which.rpartition("/")
    if not arm or not (number.isascii() and number.isdigit()):
        raise UserError(f"{which!r} is not a trial; write ARM/NUMBER ({arms[0]}/0)")
    if arm not in arms:
        raise UserError(f"{which}: the study has the arms {', '.join(arms)}")
    return arm, int(number)


def _trials(record: str, name: str, arm: str) -> list[TrialRecord]:
    ledger = require(record, name)
    try:
        # An arm that nothing was asked for is not made by a look at it.
        return ledger.arm(name, arm).trials() if ledger.counts(name, arm).asked else []
    finally:
        ledger.close()


def _whole(fields: Mapping[str, Any], places: Places, trial: TrialRecord) -> TrialRecord:
    """Adds what the trial's folder knows: all of its evaluations, with every measure."""
    folder = places.folder(trial.study, trial.arm, trial.number)
    counted = {measurement.step for measurement in (*trial.measurements, *trial.early)}
    found = [m for m in read_measurements(folder) if m.step in counted]
    return replace(
        trial.with_evaluations(found) if len(found) == len(counted) else trial,
        seed=derived_seed((fields.get("search") or {}).get("seed", 0), trial.number),
        score_name=parse_settings(as_stored(fields["trial"])).score_name,
        folder=folder,
    )
