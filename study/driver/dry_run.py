"""A launch described instead of made."""

from __future__ import annotations

from study.driver.beginning import check_free, check_not_deleting, check_unused
from study.driver.preparing import check, check_new, steps
from study.places.locations import Places
from study.places.urls import check_installed
from study.record.opening import existing
from study.record.publication import Publication
from study.spec.continuation import continued
from study.spec.model import Spec
from study.spec.reader import dump_yaml, parse_stored
from study.tracking.store import without_credentials
from trainables.counting import counted


def describe(spec: Spec, places: Places) -> str:
    """Returns the resolved spec as YAML, and as comments what would run and where.

    The YAML is the whole spec: read again, it is the same one.

    Raises:
        UserError: A stored study of this name cannot be continued with this spec or was being deleted, its
            name in MLflow is another record's, or what it needs cannot be used.
    """
    check_installed(places)
    spec, asked, raised = _continued(spec, places)
    unknown = _name_is_free(spec.name, places)
    todo = steps(spec, places.cache)
    check(spec, places.cache)
    if not asked:
        check_new(spec, places.cache)
    lines = [dump_yaml(spec.model_dump(mode="json"))]
    lines += [f"# note: {raised}"] if raised else []
    for name, arm in spec.arms.items():
        have = asked.get(name, 0)
        lines.append(
            f"# {name}: {counted(max(0, arm.trials - have), 'trials')} to run, {have} there already"
        )
        for sampled, distribution in arm.build().distributions.items():
            lines.append(f"#   {sampled}: {distribution}")
    lines.append(f"# score: {spec.score_name}")
    lines.append(f"# record: {without_credentials(places.record)}")
    lines.append(f"# tracking: {without_credentials(places.tracking)}")
    lines.append(f"# checkpoints: {places.checkpoints}")
    lines += (
        [f"# warning: whether the name is free there is not known: {unknown}"] if unknown else []
    )
    lines += [f"# warning: trial: {text}" for text in spec.settings.warnings()]
    lines += [f"# ttur prepare would {step.text}" for step in todo]
    return "\n".join(lines)


def _continued(spec: Spec, places: Places) -> tuple[Spec, dict[str, int], str]:
    """The spec that would run, the trials that each arm has, and which budgets the record raises."""
    ledger = existing(places.record)  # a dry run makes nothing, not even an empty SQLite file
    if ledger is None:
        check_unused(spec.name, places)
        return spec, {}, ""
    try:
        data = ledger.stored_spec(spec.name)
        check_not_deleting(ledger, spec.name)
        if data is None:
            check_unused(spec.name, places)
            return spec, {}, ""
        old = parse_stored(data)
        asked = {name: ledger.counts(spec.name, name).asked for name in old.arms}
        continuing, raised = continued(
            old, spec, asked, known=ledger.contents(spec.name) is not None
        )
        return continuing, asked, raised
    finally:
        ledger.close()


def _name_is_free(study: str, places: Places) -> str:
    """Looks whether the study could be published under its name; says why that is not known."""
    ledger = existing(places.record)
    if ledger is None:
        return check_free(study, "", places, None)
    try:
        publication = Publication(ledger, study)
        return check_free(study, publication.known_identity() or "", places, publication)
    finally:
        ledger.close()
