"""The needs of a study on a node before its first step: data to fetch, weights, a text to convert."""

from __future__ import annotations

from study.errors import UserError
from study.places.locations import Places
from study.spec.model import Spec
from trainables.settings.base import Step


def steps(spec: Spec, cache: str) -> list[Step]:
    """Returns what has yet to be done on this node before the study can run.

    Args:
        spec: The study.
        cache: The node's folder for prepared data, statistics and weights.

    Raises:
        UserError: What the spec names cannot be used: a folder of images that is not there, or empty.
    """
    try:
        return spec.settings.preparation(cache)
    except (ValueError, OSError) as error:
        raise UserError(f"the study {spec.name} cannot run here: {error}") from error


def check_prepared(spec: Spec, places: Places) -> None:
    """Refuses a study whose data or weights somebody has to fetch first.

    On a cluster this looks at the driver's node; a trial on a node without them says the same.

    Raises:
        UserError: Something is not there; the sentence says what and how to get it.
    """
    missing = [step.text for step in steps(spec, places.cache) if not step.automatic]
    if missing:
        raise UserError(
            f"the study {spec.name} needs what is not here yet: {'; '.join(missing)}. "
            "Run `ttur prepare` with the same recipe or spec file first"
        )
