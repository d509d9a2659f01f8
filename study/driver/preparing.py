"""The needs of a study on a node before its first step: data to fetch, weights, a text to convert."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from study.driver.retraining import final_score
from study.errors import UserError
from study.ground.confirming import confirmed_by
from study.spec.model import Spec
from study.spec.parts import further
from trainables.kinds import parse_settings, with_parameters
from trainables.levels import Measured
from trainables.settings.base import Step, TrialSettings


def steps(spec: Spec, cache: str) -> list[Step]:
    """Returns what has yet to be done on this node before the study can run.

    Args:
        spec: The study.
        cache: The node's folder for prepared data, statistics and weights.

    Raises:
        UserError: What the spec names cannot be used: a folder of images that is not there, or empty.
    """
    with _said_of(spec):
        return spec.settings.preparation(cache)


def check(spec: Spec, cache: str) -> None:
    """Refuses what a trial of this study would refuse when it is built; makes and fetches nothing.

    `prepare`, `doctor`, `launch` and its dry run all ask here.

    Raises:
        UserError: A trial would be refused; the sentence is the one that it would give.
    """
    searched = [
        with_parameters(spec.settings, further(space.derive(sample)))
        for space in (arm.build() for arm in spec.arms.values())
        for sample in space.corners()
    ]
    with _said_of(spec):
        spec.settings.check(cache, searched)


def check_new(spec: Spec, cache: str) -> None:
    """Refuses what only a study that has begun may have: a limit that its data do not reach.

    The study that confirms another one is scored under a name of its.

    Raises:
        UserError: The score's name would be false.
    """
    with _said_of(spec):
        said = None if confirmed_by(spec.name) else spec.settings.short(cache)
        if said is not None:
            raise ValueError(said)


def check_prepared(spec: Spec, cache: str) -> None:
    """Refuses a study whose data or weights somebody has to fetch first, or whose trials cannot be built.

    On a cluster this looks at the driver's node; a trial on a node without them says the same.

    Raises:
        UserError: Something is not there, or does not fit; the sentence says what to do.
    """
    missing = [step.text for step in steps(spec, cache) if not step.automatic]
    if missing:
        raise UserError(
            f"the study {spec.name} needs what is not here yet: {'; '.join(missing)}. "
            "Run `ttur prepare` with the same recipe or spec file first"
        )
    check(spec, cache)


def scored(spec: Spec) -> list[TrialSettings]:
    """The settings by which generators are scored: the search's, and the confirmation's if it has others."""
    score = spec.trial.get("score")
    if spec.confirm.samples is None or not isinstance(score, Mapping):
        return [spec.settings]
    wanted = final_score(score, spec.confirm.samples)
    final = parse_settings({**spec.trial, "score": wanted})
    return [spec.settings] if final == spec.settings else [spec.settings, final]


def levels(spec: Spec, cache: str) -> list[Measured]:
    """What the scores of a study can be seen against, as far as that was measured on this node already."""
    with _said_of(spec):
        kept = [settings.levels(cache, "cpu", measure=False) for settings in scored(spec)]
    return [each for each in kept if each is not None]


def known_contents(
    spec: Spec, cache: str, before: Mapping[str, Any] | None, say: Callable[[str], None]
) -> dict[str, Any] | None:
    """Converts a study's data and says what they are: the same as when the study began.

    Args:
        spec: The study.
        cache: The driver's folder for prepared data.
        before: What the record holds of its data; None if that is nothing.
        say: Told what is being done, a sentence at a time.

    Returns:
        What the record is to hold: ``sentence``, ``used``, ``left_out``, ``fingerprints``; None if such
        trials have no data.

    Raises:
        UserError: They cannot be used, or are others.
    """
    with _said_of(spec):
        found = spec.settings.contents(cache, say)
    if found is None:
        return None
    for field, fingerprint in (before or {}).get("fingerprints", {}).items():
        if found.fingerprints.get(field) != fingerprint:
            raise UserError(
                f"trial.{field} of {spec.name} is not what it was when the study began (it was "
                f"{(before or {})['sentence']}, and is {found.sentence}), so scores would not be "
                "comparable: put back what has changed, or give the study a new name (--name)"
            )
    return {
        "sentence": found.sentence,
        "used": found.used,
        "left_out": dict(found.left_out),
        "fingerprints": dict(found.fingerprints),
    }


@contextmanager
def _said_of(spec: Spec) -> Iterator[None]:
    try:
        yield
    except (ValueError, OSError) as error:
        raise UserError(f"the study {spec.name} cannot run here: {_in_words(error)}") from error


def _in_words(error: ValueError | OSError) -> str:
    """What was refused; of a file that the system refuses, its path, why, and which option moves it."""
    if isinstance(error, OSError) and error.filename and error.strerror:
        return (
            f"{error.filename}: {error.strerror}; mend that, or name another folder for prepared data "
            "(--cache)"
        )
    return str(error)
