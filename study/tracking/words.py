"""The words of a run in MLflow: the names of its tags, metrics and parameters, written and read alike."""

from __future__ import annotations

import json
import posixpath
import re

from trainables.protocol import OWN, ParameterValue

# Tags of a run: what it is. Identity is in tags because parameters cannot be compared as numbers and
# metrics cannot hold text.
KIND = "kind"
TRIAL = "trial"
STUDY = "study"
ARM = "arm"
NUMBER = "number"
SEED = "seed"
OUTCOME = "outcome"
REASON = "reason"
END_STEP = "end_step"
SCORE_NAME = "score_name"
SPEC_FINGERPRINT = "spec_fingerprint"
CODE_VERSION = "code_version"
DATA = "data"
LOOKS = "looks"
"""Of an arm of a confirming study: how many runs it had each time that it had come to its end."""
PARENT = "mlflow.parentRunId"
RECORD = "record"
"""Whose it is: the identity of the record that made an experiment or a run."""
NOTE = "mlflow.note.content"

KIND_ARM = "arm"
KIND_TRIAL = "trial"

# Metrics of a trial's run. MLflow sorts by a metric's latest value, so the best score, which only
# ever falls, is a metric of its own.
SCORE = "score"
BEST_SCORE = "best_score"
BEST_STEP = "best_step"
BEST_NOISE = "best_score_noise"  # after the score, in the order in which MLflow draws them
NOISE = "noise"
EARLY, EARLY_NOISE = "early_score", "early_noise"
"""Of early evaluations, which are not scores."""
SECONDS = "seconds"

_OF_SCORES = (SCORE, BEST_SCORE, BEST_STEP, BEST_NOISE, NOISE)
RESERVED_METRICS = frozenset({*_OF_SCORES, EARLY, EARLY_NOISE, SECONDS, *OWN})
"""Metrics that are ours; b, a and d_steps are among them, as MLflow compares parameters only as text."""


def parameter_text(value: ParameterValue) -> str:
    """A parameter as MLflow keeps it: as JSON, and text as itself unless it reads as JSON."""
    if isinstance(value, str) and parameter_value(value) == value:
        return value
    return json.dumps(value)


def parameter_value(text: str) -> ParameterValue:
    """The inverse of :func:`parameter_text`."""
    try:
        value: ParameterValue = json.loads(text)
    except ValueError:
        return text
    return value if isinstance(value, float | int | str | bool | None) else text


def safe_name(name: str) -> str:
    """A metric or parameter name that MLflow accepts: other characters become ``_``."""
    cleaned = re.sub(r"[^\w.\- /]", "_", name, flags=re.ASCII)
    # MLflow takes names for paths, and refuses those that are not in their simplest form.
    return posixpath.normpath(f"/{cleaned}").strip("/") or "_"


def metric_name(name: str) -> str:
    """A measured metric's name; ``metrics.`` is put before one of ours (``score``, ``b``, …)."""
    safe = safe_name(name)
    return f"metrics.{safe}" if safe in RESERVED_METRICS else safe
