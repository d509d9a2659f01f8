"""Writes the reference from the code: the fields of a spec from its models, the verbs from the command."""

from __future__ import annotations

import re
from typing import Any

import click
import mkdocs_gen_files

from study.cli.verbs import cli
from study.spec.schema import schema


def command_line() -> str:
    """Every verb with its own help."""
    parts = ["# Command line", _help(cli, "ttur")]
    for name in sorted(cli.commands):
        parts += [f"## ttur {name}", _help(cli.commands[name], f"ttur {name}")]
    return "\n\n".join(parts)


def _help(command: click.Command, path: str) -> str:
    context = click.Context(command, info_name=path, max_content_width=100, terminal_width=100)
    return f"```text\n{command.get_help(context)}\n```"


def fields() -> str:
    """A table for each model of a spec, in the order in which the schema defines them."""
    whole = schema()
    groups = {"Spec": whole, **whole.get("$defs", {})}
    parts = [
        "# Fields of a spec",
        "An unknown or misspelt field is an error. `ttur schema` prints the JSON Schema.",
    ]
    for name, group in groups.items():
        if group.get("properties"):
            parts += [
                f"## {_title(name)}",
                *_described(group),
                _table(group["properties"], set(group.get("required", ()))),
            ]
    return "\n\n".join(parts)


def _title(name: str) -> str:
    words = re.sub(r"(?<!^)(?=[A-Z])", " ", name.removesuffix("Settings")).capitalize()
    return words or name


def _described(group: dict[str, Any]) -> list[str]:
    return [_text(group["description"])] if group.get("description") else []


def _table(properties: dict[str, Any], required: set[str]) -> str:
    lines = ["| field | default | what it is |", "| --- | --- | --- |"]
    for name, field in properties.items():
        default = (
            "**required**"
            if name in required
            else f"`{field.get('default', '')}`"
            if "default" in field
            else ""
        )
        lines.append(
            f"| `{name}` | {_cell(default)} | {_cell(_text(field.get('description', '')))} "
            f"{_choices(field)} |"
        )
    return "\n".join(lines)


def _choices(field: dict[str, Any]) -> str:
    values = [*field.get("enum", ())] + [
        v for option in field.get("anyOf", ()) for v in option.get("enum", ())
    ]
    return f"One of {', '.join(f'`{value}`' for value in values)}." if values else ""


def _text(text: str) -> str:
    return " ".join(text.split())


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


for path, content in (("reference/cli.md", command_line()), ("reference/spec.md", fields())):
    with mkdocs_gen_files.open(path, "w") as page:
        page.write(content + "\n")
