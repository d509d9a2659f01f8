"""Reading specs: YAML that refuses what it would otherwise guess, --set, and one-sentence errors."""

from __future__ import annotations

import difflib
import re
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from study.errors import UserError
from study.spec import user_code
from study.spec.model import Spec
from trainables.kinds import as_stored

_FLOAT = re.compile(
    r"""(?:[-+]?(?:\d[\d_]*\.[\d_]*|\.\d[\d_]*)(?:[eE][-+]?\d+)?
        |[-+]?\d+[eE][-+]?\d+
        |[-+]?\.(?:inf|Inf|INF)
        |\.(?:nan|NaN|NAN))\Z""",
    re.VERBOSE,
)
_INT = re.compile(r"(?:[-+]?(?:0|[1-9][\d_]*)|0x[\da-fA-F]+)\Z")

_TAGS = "tag:yaml.org,2002:"
_NOT_GUESSED = {f"{_TAGS}{name}" for name in ("float", "int", "timestamp", "value")}
"""What YAML 1.1 takes unquoted text for, by rules that nobody expects: 1:30 is 90, 010 is 8."""


class _Loader(yaml.SafeLoader):
    """Safe YAML with the numbers of YAML 1.2, without dates, and in which a key may stand only once."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """Builds a mapping and refuses a key that is neither text nor a number, or stands twice."""
        seen = set()
        for key_node, _ in node.value:
            line = key_node.start_mark.line + 1
            if key_node.tag == f"{_TAGS}merge":
                raise UserError(
                    f"<< is not read here (line {line}); write out the fields it stands for"
                )
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, Hashable):
                raise UserError(f"{key!r} is not the name of a field (line {line}); correct it")
            if key in seen:
                raise UserError(f"{key} stands twice (line {line}); remove one of the two")
            seen.add(key)
        return super().construct_mapping(node, deep)


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag not in _NOT_GUESSED]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(f"{_TAGS}int", _INT, list("-+0123456789"))
_Loader.add_implicit_resolver(f"{_TAGS}float", _FLOAT, list("-+.0123456789"))


class _Dumper(yaml.SafeDumper):
    """Quotes what the loader above, or another one, would take for something else."""


_Dumper.add_implicit_resolver(f"{_TAGS}float", _FLOAT, list("-+.0123456789"))


def dump_yaml(data: Mapping[str, Any]) -> str:
    """Writes a spec's mapping such that :func:`parse_yaml` reads the same."""
    return str(yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True))


def parse_yaml(text: str, source: str) -> Any:
    """Parses YAML safely.

    Raises:
        UserError: It is not YAML; the sentence names the source and the line.
    """
    try:
        return yaml.load(text, _Loader)  # a subclass of SafeLoader
    except UserError:
        raise
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f" (line {mark.line + 1})" if mark else ""
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise UserError(f"{source} is not valid YAML{place}: {problem}; correct it") from error
    except (ValueError, AttributeError) as error:  # a tag (!!int, !!timestamp) on what is none
        raise UserError(
            f"{source} has a value that does not suit its tag; remove the tag"
        ) from error
    except RecursionError:
        raise UserError(f"{source} is nested too deeply for a spec; correct it") from None


def read_spec_file(path: Path) -> dict[str, Any]:
    """Reads a spec file into a mapping.

    Raises:
        UserError: There is no such file, it cannot be read, or it is not a mapping.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UserError(f"{path} does not exist; give a recipe's name or a spec file") from None
    except (OSError, ValueError) as error:  # ValueError: no UTF-8, or a NUL in the path
        raise UserError(f"{path} cannot be read: {error}") from error
    user_code.note(path.parent)
    return mapping(parse_yaml(text, str(path)), str(path))


def mapping(data: Any, source: str) -> dict[str, Any]:
    """Returns data as a mapping with string keys, or raises a UserError that names the source."""
    if not isinstance(data, dict) or not all(isinstance(key, str) for key in data):
        raise UserError(f"{source} is not a mapping of fields; see `ttur schema`")
    return data


def set_fields(data: dict[str, Any], assignments: Sequence[str]) -> dict[str, Any]:
    """Applies ``path.to.field=value`` to a spec's mapping; values are YAML.

    Raises:
        UserError: An assignment without ``=``, or a path that leads through a value.
    """
    for assignment in assignments:
        path, separator, text = assignment.partition("=")
        if not separator or not path:
            raise UserError(f"--set {assignment!r} is not of the form path.to.field=value")
        value = parse_yaml(text, f"the value of --set {path}")
        data = _replaced(data, path.split("."), value, path)
    return data


def _replaced(data: dict[str, Any], keys: list[str], value: Any, path: str) -> dict[str, Any]:
    first, *rest = keys
    if not rest:
        return {**data, first: value}
    inner = data.get(first)
    if inner is None:
        inner = {}
    elif not isinstance(inner, dict):
        raise UserError(f"--set {path}: {first} is {inner!r}, not a group of fields")
    if first in _OF_PATHS and path.startswith("arms."):
        rest = _whole_path(inner, rest, value)
    return {**data, first: _replaced(inner, rest, value, path)}


_OF_PATHS = ("further", "grid")
"""Fields of an arm whose own keys are dotted paths."""

_OF_A_RANGE = ("low", "high", "log", "step", "int", "choices")


def _whole_path(inner: Mapping[str, Any], keys: list[str], value: Any) -> list[str]:
    """Joins the keys that are one dotted path: the longest that is there, or all of a new one."""
    for length in range(len(keys), 1, -1):
        known = ".".join(keys[:length])
        if known in inner:
            return [known, *keys[length:]]
    if keys[0] in inner:
        return keys
    of_range = len(keys) > 1 and keys[-1] in _OF_A_RANGE and not isinstance(value, Mapping)
    return [".".join(keys[:-1]), keys[-1]] if of_range else [".".join(keys)]


def parse_spec(data: dict[str, Any]) -> Spec:
    """Validates a spec's mapping.

    A search space of the user's own is imported and called; its module may lie in the working folder or
    beside the spec file.

    Raises:
        UserError: One sentence on the first thing that is wrong: field, value, what to do.
    """
    user_code.allow(data)
    try:
        return Spec.model_validate(data)
    except ValidationError as error:
        raise UserError(sentence(error)) from error


def parse_stored(data: Mapping[str, Any]) -> Spec:
    """Validates the mapping of a spec that a record holds; see :func:`parse_spec`.

    What an earlier version did not write is what it meant by that.

    Raises:
        UserError: As :func:`parse_spec`.
    """
    meant = {**data}
    if isinstance(trial := data.get("trial"), Mapping):
        meant["trial"] = as_stored(trial)
    if isinstance(resources := data.get("resources"), Mapping):
        meant["resources"] = _as_stored(resources)
    if isinstance(confirm := data.get("confirm") or {}, Mapping):
        # Nothing was confirmed by itself before that could be said.
        meant["confirm"] = {"when": "never", **confirm}
    return parse_spec(meant)


def _as_stored(resources: Mapping[str, Any]) -> dict[str, Any]:
    """Several GPUs a trial could once be asked for; a trial computed on one of them."""
    gpu = resources.get("gpu")
    several = isinstance(gpu, int | float) and gpu > 1
    return {**resources, "gpu": 1.0} if several else {**resources}


def sentence(error: ValidationError) -> str:
    """Turns a Pydantic error into one sentence: the first problem, and how many more there are."""
    problems = error.errors(include_url=False)
    # An unknown field comes first: it is usually why something else is missing.
    problem = min(problems, key=lambda p: p["type"] != "extra_forbidden")
    place = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        text = (
            f"{place} is not a field{_similar(problem)}; see `ttur schema` for the fields there are"
        )
    elif problem["type"] == "missing":
        text = f"{place} is missing; add it"
    elif problem["type"] in ("model_type", "dict_type"):
        text = f"{place} is {_short(problem['input'])}; make it a group of fields, {{name: value}}"
    else:
        cause = problem.get("ctx", {}).get("error")
        if isinstance(cause, ValueError):
            inner = cause.__cause__ if isinstance(cause.__cause__, ValidationError) else cause
            text = _nested(place, inner, cause)
        else:
            text = f"{place} is {_short(problem['input'])}: {_lower(problem['msg'])}"
    more = len(problems) - 1
    return text + (f" (and {more} more like it)" if more else "")


def _nested(place: str, inner: ValueError, cause: ValueError) -> str:
    if isinstance(inner, ValidationError):
        prefix = str(cause).split(":")[0] if str(cause).startswith("arms.") else place
        return f"{prefix}.{sentence(inner)}"
    message = str(cause)
    if not place or message.startswith(place):
        return message
    return f"{place}: {message}"


def _similar(problem: Any) -> str:
    known = [name for name in Spec.model_fields if name != problem["loc"][-1]]
    close = difflib.get_close_matches(str(problem["loc"][-1]), known, n=1)
    return f" (did you mean {close[0]}?)" if len(problem["loc"]) == 1 and close else ""


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 100 else f"{text[:80]} … {text[-10:]}"


def _lower(message: str) -> str:
    return message[:1].lower() + message[1:]
