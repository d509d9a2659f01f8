"""Conditions on the fields of a trial, as text: ``d_steps = 1 and (b < 1e-3 or outcome = 'diverged')``.

    condition    and, or, not, (…) of comparisons
    comparison   value OPERATOR value, with =, !=, <, <=, >, >= (also in a row: 1e-4 < b < 1e-2);
                 FIELD in ('x', 'y'), FIELD not in (1, 2); 'text' in FIELD; FIELD is null, FIELD is not null
    value        a field, a number, 'text', true, false; +, -, * and / of numbers (a / b > 2)
    field        b, optimiser.beta1, `any name in backticks`

A comparison with a value that is not there is false, also with ``!=``; ``is null`` asks for that. The text is
parsed by Python's own parser, of whose trees only what stands above is taken; nothing of it is run.
"""

from __future__ import annotations

import ast
import difflib
import math
import operator
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from study.errors import UserError

Fields = Mapping[str, Any]
"""The values of one trial by their names: numbers, texts, true or false, None for what is not there."""

Constant = int | float | str

Getter = Callable[[Fields], Any]
Test = Callable[[Fields], bool]

EXAMPLE = "d_steps = 1 and b < 1e-3"

_TOKENS = re.compile(
    r"""(?P<space>\s+)
    |(?P<text>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")
    |(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?(?![\w.]))
    |`(?P<quoted>[^`]+)`
    |(?P<name>[^\W\d]\w*(?:\.\w+)*)
    |(?P<sign><=|>=|==|!=|<>|[=<>()\[\],+*/-])""",
    re.VERBOSE,
)
_WORDS = {w: w for w in ("and", "or", "not", "in", "is")}
_WORDS |= {"null": "None", "none": "None", "true": "True", "false": "False"}
_SIGNS = {"=": "==", "<>": "!="}

_ORDERS = {ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt, ast.GtE: operator.ge}
_SUMS = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul}
_SUMS |= {ast.Div: operator.truediv}


@dataclass(frozen=True)
class Condition:
    """A condition that was read.

    Attributes:
        names: The fields that it names.
        holds: Whether it is true of a trial's fields.
        constants: What a field is compared with for equality or order, by the field.
    """

    names: frozenset[str]
    holds: Test
    constants: Mapping[str, frozenset[Constant]]


def condition(text: str) -> Condition:
    """Reads a condition.

    Raises:
        UserError: It is not one; the sentence says what cannot be read.

    Examples:
        >>> from study.results.where import condition
        >>> condition("d_steps = 1 and b < 1e-3").holds({"d_steps": 1, "b": 2e-4})
        True
    """
    return _Reader(text).read()


def check_names(names: Collection[str], known: Collection[str], what: str, further: str) -> None:
    """Checks that fields are known.

    Args:
        names: Those that are asked for.
        known: Those that there are.
        what: Where they are named (``--where``), for the sentence.
        further: What the sentence says after the known ones.

    Raises:
        UserError: One is not known; the sentence names all that are.
    """
    for name in sorted(names):
        if name in known:
            continue
        close = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {close[0]}? The" if close else "the"
        raise UserError(
            f"{what} names {name!r}, which is not a field of these trials; "
            f"{hint} fields are {', '.join(known)}{further}"
        )


class _Reader:
    """One text on its way to a condition."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._names: list[str] = []
        self._constants: dict[str, set[Constant]] = {}

    def read(self) -> Condition:
        code = " ".join(self._tokens())
        try:
            holds = self._test(ast.parse(code, mode="eval").body)
        except (SyntaxError, RecursionError, MemoryError, ValueError) as error:
            if isinstance(error, UserError):
                raise
            raise self._wrong("cannot be read") from None
        constants = {name: frozenset(found) for name, found in self._constants.items()}
        return Condition(frozenset(self._names), holds, constants)

    def _tokens(self) -> Iterator[str]:
        """The text's tokens as Python writes them; every field's name becomes a plain one."""
        place = 0
        while place < len(self._text):
            found = _TOKENS.match(self._text, place)
            if found is None:
                raise self._wrong(f"cannot be read at {self._text[place:][:20]!r}")
            place = found.end()
            kind, token = str(found.lastgroup), found[str(found.lastgroup)]
            if kind == "quoted" or (kind == "name" and token.lower() not in _WORDS):
                yield f"_{len(self._names)}"
                self._names.append(token)
            elif kind == "name":
                yield _WORDS[token.lower()]
            elif kind != "space":
                yield _SIGNS.get(token, token)

    def _wrong(self, what: str) -> UserError:
        text = self._text if len(self._text) <= 200 else f"{self._text[:200]}…"
        return UserError(
            f'the condition {text!r} {what}; write one such as "{EXAMPLE}" '
            "(texts in quotes, fields bare)"
        )

    def _name(self, node: ast.Name) -> str:
        return self._names[int(node.id[1:])]

    def _test(self, node: ast.expr) -> Test:
        match node:
            case ast.BoolOp(op=ast.And(), values=parts):
                tests = [self._test(part) for part in parts]
                return lambda fields: all(test(fields) for test in tests)
            case ast.BoolOp(values=parts):
                tests = [self._test(part) for part in parts]
                return lambda fields: any(test(fields) for test in tests)
            case ast.UnaryOp(op=ast.Not(), operand=part):
                test = self._test(part)
                return lambda fields: not test(fields)
            case ast.Compare():
                return self._comparison(node)
        raise self._wrong("compares nothing where it must")

    def _comparison(self, node: ast.Compare) -> Test:
        sides = [node.left, *node.comparators]
        tests = [
            self._pair(sign, left, right)
            for sign, left, right in zip(node.ops, sides, sides[1:], strict=False)
        ]
        return lambda fields: all(test(fields) for test in tests)

    def _pair(self, sign: ast.cmpop, left: ast.expr, right: ast.expr) -> Test:
        if isinstance(sign, ast.In | ast.NotIn):
            test = self._within(left, right)
            field = self._value(right if isinstance(right, ast.Name) else left)
            return test if isinstance(sign, ast.In) else _present(field, test)
        first, second = self._value(left), self._value(right)
        none = [isinstance(side, ast.Constant) and side.value is None for side in (left, right)]
        if any(none):
            value = first if none[1] else second
            if isinstance(sign, ast.Eq | ast.Is):
                return lambda fields: value(fields) is None
            if isinstance(sign, ast.NotEq | ast.IsNot):
                return lambda fields: value(fields) is not None
        if isinstance(sign, ast.Is | ast.IsNot):
            raise self._wrong("has 'is' before something else than null")
        self._note(left, right)
        self._note(right, left)
        if isinstance(sign, ast.Eq):
            return lambda fields: _equal(first(fields), second(fields))
        if isinstance(sign, ast.NotEq):
            return _present(first, lambda fields: _equal(first(fields), second(fields)), second)
        return self._ordered(_ORDERS[type(sign)], first, second)

    def _ordered(self, compare: Callable[[Any, Any], bool], first: Getter, second: Getter) -> Test:
        def test(fields: Fields) -> bool:
            one, other = first(fields), second(fields)
            if one is None or other is None:
                return False
            if isinstance(one, str) != isinstance(other, str):
                raise self._wrong(f"compares {one!r} with {other!r}, a number with a text")
            return compare(one, other)

        return test

    def _within(self, left: ast.expr, right: ast.expr) -> Test:
        """FIELD in (…), or 'text' in FIELD."""
        if isinstance(right, ast.Tuple | ast.List):
            value, among = self._value(left), [self._value(each) for each in right.elts]
            for each in right.elts:
                self._note(left, each)
            return lambda fields: any(_equal(value(fields), each(fields)) for each in among)
        if isinstance(left, ast.Constant) and isinstance(right, ast.Constant):
            raise self._wrong("names no field")
        if isinstance(right, ast.Constant):  # ('x') is not a tuple for Python
            return self._within(left, ast.Tuple([right]))
        part, whole = self._value(left), self._value(right)

        def test(fields: Fields) -> bool:
            one, other = part(fields), whole(fields)
            return isinstance(one, str) and isinstance(other, str) and one in other

        return test

    def _note(self, side: ast.expr, other: ast.expr) -> None:
        if isinstance(side, ast.Name) and isinstance(other, ast.Constant):
            value = other.value
            if isinstance(value, int | float | str):
                self._constants.setdefault(self._name(side), set()).add(value)

    def _value(self, node: ast.expr) -> Getter:
        match node:
            case ast.Name():
                name = self._name(node)
                return lambda fields: _there(fields.get(name))
            case ast.Constant(value=constant) if isinstance(constant, int | float | str | None):
                return lambda _: constant
            case ast.UnaryOp(op=ast.USub() | ast.UAdd() as sign, operand=part):
                value = self._value(part)
                factor = -1 if isinstance(sign, ast.USub) else 1
                return lambda fields: self._sum(operator.mul, factor, value(fields))
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _SUMS:
                first, second, add = self._value(left), self._value(right), _SUMS[type(op)]
                return lambda fields: self._sum(add, first(fields), second(fields))
        raise self._wrong("has something that is not a field, a number or a text")

    def _sum(self, add: Callable[[Any, Any], Any], one: Any, other: Any) -> Any:
        if one is None or other is None:
            return None
        if isinstance(one, str) or isinstance(other, str):
            raise self._wrong(f"computes with {one if isinstance(one, str) else other!r}, a text")
        try:
            return _there(add(float(one), float(other)))
        except (ZeroDivisionError, OverflowError):
            return None


def _there(value: Any) -> Any:
    """A value, or None for one that is not a number (NaN)."""
    return None if isinstance(value, float) and math.isnan(value) else value


def _equal(one: Any, other: Any) -> bool:
    return one is not None and other is not None and bool(one == other)


def _present(value: Getter, test: Test, other: Getter = lambda _: 0) -> Test:
    """The opposite of a test, false where a value is not there."""
    return lambda fields: (
        value(fields) is not None and other(fields) is not None and not test(fields)
    )
