"""The examples of the public functions: those that need no study are run, the calls of the others fit."""

from __future__ import annotations

import ast
import doctest
import inspect
from pathlib import Path
from typing import Any

import pytest

import search_spaces
import study
from study import api

PUBLIC: dict[str, Any] = {
    **{f"study.{name}": getattr(study, name) for name in api.__all__},
    **{
        f"search_spaces.{name}": getattr(search_spaces, name)
        for name in search_spaces.__all__
        if name == "SearchSpace" or inspect.isfunction(getattr(search_spaces, name))
    },
}


def examples(name: str) -> doctest.DocTest:
    package, _, bare = name.partition(".")
    known = {"study": study} if package == "study" else {bare: PUBLIC[name]}
    (found,) = doctest.DocTestFinder(recurse=False).find(PUBLIC[name], name, globs=known)
    return found


def calls(source: str) -> list[ast.Call]:
    """The calls of functions of ``study`` in a line of an example."""
    nodes = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    return [node for node in nodes if ast.unparse(node.func) in PUBLIC]


@pytest.mark.parametrize("name", PUBLIC)
def test_each_has_one_that_holds(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found = examples(name)
    assert any(name.rpartition(".")[2] in example.source for example in found.examples)
    said: list[str] = []
    assert doctest.DocTestRunner().run(found, out=said.append).failed == 0, "".join(said)


@pytest.mark.parametrize("name", PUBLIC)
def test_its_calls_fit_the_functions(name: str) -> None:
    for example in examples(name).examples:
        for call in calls(example.source):
            keywords = {each.arg: None for each in call.keywords if each.arg}
            signature = inspect.signature(PUBLIC[ast.unparse(call.func)])
            signature.bind(*[None for _ in call.args], **keywords)
