"""What a launch would do, without doing it."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
import yaml

from study.compatibility import check_continues
from study.home import Home
from study.launching import Options
from study.ledger import Ledger
from study.mlflow_store import without_credentials
from study.spec import Spec
from study.spec_file import parse_spec


def describe(spec: Spec, options: Options) -> str:
    """Returns the resolved spec as YAML, and as comments what would run and where.

    Raises:
        UserError: A stored study of this name cannot be continued with this spec.
    """
    places = Home(options.home).places(spec.name, options.places or {}, spec.storage)
    asked = _asked(spec, places.record)
    lines = [yaml.safe_dump(spec.model_dump(mode="json", exclude_none=True), sort_keys=False)]
    for name, arm in spec.arms.items():
        have = asked.get(name, 0)
        lines.append(f"# {name}: {max(0, arm.trials - have)} trials to run, {have} there already")
        for sampled, distribution in arm.build().distributions.items():
            lines.append(f"#   {sampled}: {distribution}")
    lines.append(f"# score: {spec.score_name}")
    lines.append(f"# record: {without_credentials(places.record)}")
    lines.append(f"# tracking: {without_credentials(places.tracking)}")
    lines.append(f"# checkpoints: {places.checkpoints}")
    lines += [f"# warning: trial: {text}" for text in spec.settings.warnings()]
    lines += [f"# {line}" for line in missing(spec, places.cache)]
    return "\n".join(lines)


def missing(spec: Spec, cache: str) -> list[str]:
    """Returns what ``ttur prepare`` would fetch or convert before the study can run."""
    return [f"ttur prepare would {step.text}" for step in spec.settings.preparation(cache)]


def _asked(spec: Spec, record: str) -> dict[str, int]:
    if not _exists(record):
        return {}
    ledger = Ledger(record)
    try:
        data = ledger.stored_spec(spec.name)
        if data is None:
            return {}
        old = parse_spec(data)
        asked = {name: ledger.counts(spec.name, name).asked for name in old.arms}
        check_continues(old, spec, asked)
        return asked
    finally:
        ledger.close()


def _exists(record: str) -> bool:
    """A dry run makes nothing, not even an empty SQLite file."""
    url = sa.make_url(record)
    return url.get_backend_name() != "sqlite" or Path(url.database or "").is_file()
