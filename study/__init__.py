"""The public functions: a study is specified, launched, recorded, queried and compared with them.

The verbs of the command line are functions here, each called like its verb; :func:`read_spec`,
:func:`trials` and :func:`to_frame` are there for programs. They are imported when they are first used,
so that ``import study`` costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from study.api import (
        best,
        compare,
        compare_table,
        confirm,
        delete,
        export,
        extend,
        launch,
        logs,
        prepare,
        read_spec,
        recipes,
        report,
        resume,
        sample,
        schema,
        show,
        status,
        stop,
        sync,
        to_frame,
        train,
        trials,
    )

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


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'study' has no attribute {name!r}")
    from study import api

    return getattr(api, name)
