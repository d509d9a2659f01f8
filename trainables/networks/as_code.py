"""A network as Python that needs nothing but torch: its layers written out, with the code of its own modules.

The code is read from the network as it is, so a network that somebody else wrote is written out as well, as
far as it is made of torch's layers and of modules whose code stands on its own. What cannot be written out
faithfully is refused: whoever uses the code checks it against the network (:func:`reproduces`).
"""

from __future__ import annotations

import inspect
import re
import sys
import textwrap
from collections.abc import Iterator
from types import CodeType, FunctionType, ModuleType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import _SpectralNorm
from torch.nn.utils.parametrize import is_parametrized

from trainables.networks.strided import Doubling, Halving

PARTS = '''class Parts(nn.Module):
    """Takes its parts by name."""

    def __init__(self, **parts):
        super().__init__()
        for name, part in parts.items():
            if isinstance(part, torch.Tensor) and not isinstance(part, nn.Parameter):
                self.register_buffer(name, part)
            else:
                setattr(self, name, part)'''

_MODULE_STATE = frozenset(vars(nn.Module()))


class NotPlainError(ValueError):
    """A network that cannot be written as code of its own; the message says because of what."""


def as_code(network: nn.Module) -> str:
    """Writes a module of Python whose function ``build()`` makes the network, with other weights.

    Args:
        network: Any torch module.

    Raises:
        NotPlainError: Part of the network is not torch's and has no code that stands on its own.
    """
    writer = _Writer()
    expression = writer.expression(network)
    definitions = [*writer.helpers.values(), *writer.classes.values()]
    if writer.classes:
        definitions.insert(len(writer.helpers), PARTS)
    definitions.append(f"def build():\n    return {_indented(expression)}")
    if any("Tensor" in each for each in definitions):
        writer.imports.add("from torch import Tensor")
    head = "\n".join(sorted(writer.imports, key=lambda line: ("__future__" not in line, line)))
    return "\n\n\n".join([head, *definitions]) + "\n"


def reproduces(code: str, network: nn.Module, inputs: Tensor, layout: torch.memory_format) -> bool:
    """Whether code builds a network that has these weights' names and makes the same of ``inputs``.

    Args:
        code: From :func:`as_code`.
        network: What it was made from, in evaluation mode.
        inputs: What both are given.
        layout: Of the network's weights.
    """
    namespace: dict[str, Any] = {"__name__": "exported"}
    try:
        exec(compile(code, "exported", "exec"), namespace)
        built: nn.Module = namespace["build"]()
        built.load_state_dict(network.state_dict())
        built = built.eval().to(inputs.device).to(memory_format=layout)
        with torch.no_grad():
            return bool(torch.equal(built(inputs), network(inputs)))
    except Exception:  # of code that is not faithful anything may come
        return False


class _Writer:
    """Collects what the expression of a network needs: imports, functions and constants, classes."""

    def __init__(self) -> None:
        self.imports = {
            "from __future__ import annotations",
            "import torch",
            "from torch import nn",
        }
        self.helpers: dict[str, str] = {}
        self.classes: dict[str, str] = {}
        self._known: dict[str, Any] = {}

    def expression(self, module: nn.Module) -> str:
        kind = _written_kind(type(module))
        if is_parametrized(module):
            return self._parametrised(module)
        if kind is nn.Sequential:
            return self._sequential(module)
        if kind is nn.ModuleList:
            return f"nn.ModuleList([{self._listed(module)}])"
        if getattr(nn, kind.__name__, None) is kind:
            return _layer(module, kind)
        return self._own(module)

    def _parametrised(self, module: nn.Module) -> str:
        steps = [s for each in module.parametrizations.values() for s in each]  # type: ignore[operator]
        names = list(module.parametrizations)  # type: ignore[arg-type]
        if names != ["weight"] or not all(isinstance(step, _SpectralNorm) for step in steps):
            raise NotPlainError(f"{type(module).__name__} is parametrised in a way of its own")
        self.imports.add("from torch.nn.utils.parametrizations import spectral_norm")
        return f"spectral_norm({_layer(module, _written_kind(type(module).__mro__[1]))})"

    def _sequential(self, module: nn.Module) -> str:
        names = list(module._modules)
        if names == [str(index) for index in range(len(names))]:
            return f"nn.Sequential({self._listed(module)})"
        self.imports.add("from collections import OrderedDict")
        pairs = (f"({name!r}, {self.expression(m)})" for name, m in _children(module))
        return f"nn.Sequential(OrderedDict([{_lines(list(pairs))}]))"

    def _listed(self, module: nn.Module) -> str:
        return _lines([self.expression(child) for _, child in _children(module)])

    def _own(self, module: nn.Module) -> str:
        """A module of a class of its own: the class with its methods, given its parts by name."""
        kind = type(module)
        self._define(kind)
        parts = {name: self.expression(child) for name, child in _children(module)}
        for name, parameter in module._parameters.items():
            parts[name] = (
                "None"
                if parameter is None
                else f"nn.Parameter(torch.empty({tuple(parameter.shape)}))"
            )
        for name, buffer in module._buffers.items():
            if buffer is not None and name not in module._non_persistent_buffers_set:
                parts[name] = f"torch.empty({tuple(buffer.shape)}, dtype={buffer.dtype})"
        for name, value in vars(module).items():
            if name not in _MODULE_STATE and _is_literal(value):
                parts[name] = repr(value)
        return f"{kind.__name__}({_lines([f'{name}={text}' for name, text in parts.items()])})"

    def _define(self, kind: type) -> None:
        self._claim(kind.__name__, kind)
        if kind.__name__ in self.classes:
            return
        methods: dict[str, FunctionType] = {}
        for base in reversed(kind.__mro__[: kind.__mro__.index(nn.Module)]):
            methods |= {n: f for n, f in vars(base).items() if isinstance(f, FunctionType)}
        methods.pop("__init__", None)
        self.classes[kind.__name__] = ""  # keeps its place before those that it names
        bodies = []
        for method in methods.values():
            bodies.append(textwrap.indent(_source(method), "    "))
            self._needs(method)
        body = "\n\n".join(bodies) if bodies else "    pass"
        self.classes[kind.__name__] = f"class {kind.__name__}(Parts):\n{body}"

    def _needs(self, function: FunctionType) -> None:
        """Adds the globals that a function uses."""
        for name in sorted(set(_names(function.__code__)) & set(function.__globals__)):
            if name not in self.helpers:
                self._global(name, function.__globals__[name])

    def _global(self, name: str, value: Any) -> None:
        self._claim(name, value)
        if isinstance(value, ModuleType):
            _check_public(value.__name__)
            alias = "" if value.__name__ == name else f" as {name}"
            self.imports.add(f"import {value.__name__}{alias}")
        elif isinstance(value, FunctionType) and not _is_public(value.__module__):
            self.helpers[name] = ""
            self._needs(value)
            self.helpers[name] = _source(value)
        elif _is_literal(value):
            self.helpers[name] = f"{name} = {value!r}"
        else:
            home = getattr(value, "__module__", None)
            _check_public(home)
            self.imports.add(f"from {home} import {value.__name__} as {name}")

    def _claim(self, name: str, value: Any) -> None:
        if self._known.setdefault(name, value) is not value:
            raise NotPlainError(f"two things in it are called {name}")


def _written_kind(kind: type[nn.Module]) -> type[nn.Module]:
    """The kind that a module is written as: torch's own for layers of ours that compute the same."""
    if kind is Halving:
        return nn.Conv2d
    return nn.ConvTranspose2d if kind is Doubling else kind


def _layer(module: nn.Module, kind: type[nn.Module]) -> str:
    """A layer of torch's by what it shows of itself, which are its arguments."""
    if getattr(nn, kind.__name__, None) is not kind or (
        module._modules and not is_parametrized(module)
    ):
        raise NotPlainError(f"{kind.__name__} is not a plain layer of torch's")
    arguments = kind.extra_repr(module).replace(", bias=True", "")  # the default of every layer
    arguments = re.sub(r"padding_mode=(\w+)", r"padding_mode='\1'", arguments)
    return f"nn.{kind.__name__}({arguments})"


def _children(module: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Named as they are, also one that stands twice."""
    return ((name, child) for name, child in module._modules.items() if child is not None)


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)


def _source(function: FunctionType) -> str:
    try:
        return textwrap.dedent(inspect.getsource(function)).rstrip()
    except (OSError, TypeError) as error:
        raise NotPlainError(f"the code of {function.__qualname__} cannot be read") from error


def _is_literal(value: object) -> bool:
    if isinstance(value, list | tuple):
        return all(_is_literal(item) for item in value)
    return value is None or type(value) in (bool, int, float, str)


def _is_public(module: str | None) -> bool:
    first = (module or "").partition(".")[0]
    return first == "torch" or first in sys.stdlib_module_names


def _check_public(module: str | None) -> None:
    if not _is_public(module):
        raise NotPlainError(f"it uses {module}, which is neither torch's nor Python's own")


def _lines(parts: list[str]) -> str:
    if sum(map(len, parts)) < 60 and not any("\n" in part for part in parts):
        return ", ".join(parts)
    return "\n" + "".join(textwrap.indent(part, "    ") + ",\n" for part in parts)


def _indented(expression: str) -> str:
    return textwrap.indent(expression, "    ").lstrip()
