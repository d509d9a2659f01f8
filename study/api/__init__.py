"""The verbs as functions, for programs and notebooks.

What everything that works on a study takes, as far as it needs it:

- ``home``: the folder of local state; None: ``TTUR_HOME`` or ``./ttur-home``.
- ``places``: locations by name (record, tracking, artifacts, checkpoints, cache) that count before what the
  spec and the environment say.
- ``address``: a running Ray cluster (``auto`` or ``host:port``); None: the embedded engine.
- ``tracking``: the MLflow tracking URI, for what reads MLflow only.

The examples of the functions begin with ``import study``.

Bad input raises :class:`study.errors.UserError`, whose text is the sentence that the command line prints.
"""

from study.api.launching import confirm, extend, launch, prepare, resume
from study.api.looking import best, compare, compare_table, logs, report, show, status, trials
from study.api.specs import read_spec, recipes, schema
from study.api.taking import export, sample, train
from study.api.tending import delete, stop, sync
from study.results.frame import to_frame

__all__ = [
    "best",
    "compare",
    "compare_table",
    "confirm",
    "delete",
    "export",
    "extend",
    "launch",
    "logs",
    "prepare",
    "read_spec",
    "recipes",
    "report",
    "resume",
    "sample",
    "schema",
    "show",
    "status",
    "stop",
    "sync",
    "to_frame",
    "train",
    "trials",
]
