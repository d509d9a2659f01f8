"""The public functions: a study is specified, launched, recorded, queried and compared with them.

The verbs of the command line are functions here, each called like its verb; :func:`read_spec`,
:func:`trials` and :func:`to_frame` are there for programs. :mod:`study.api` lists them, and is imported
when one is first used, so that ``import study`` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from study.api import *  # noqa: F403


def __getattr__(name: str) -> Any:
    public: dict[str, Any] = {}
    if name == "__all__" or not name.startswith(
        "_"
    ):  # __path__, __wrapped__, … are asked of any module
        api = import_module("study.api")
        public = {"__all__": api.__all__} | {each: getattr(api, each) for each in api.__all__}
    if name not in public:
        raise AttributeError(f"module 'study' has no attribute {name!r}")
    return public[name]


def __dir__() -> list[str]:
    return [*globals(), *import_module("study.api").__all__]
