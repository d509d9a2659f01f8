"""Writes the reference from the code: the fields of a spec from its models, the verbs from the command."""

from __future__ import annotations

import re
from typing import Any

import click
import mkdocs_gen_files

from study.cli.verbs import cli
from study.spec.schema import schema
from trainables.settings.datasets import DATA_SETS, FORMS, DataSet
from trainables.settings.extractors import EXTRACTORS
from trainables.settings.losses import LOSSES


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


def names() -> str:
    """The rows of the tables that a spec chooses from."""
    data = [
        f"| `{name}` | {row.count or ''} | {row.side or 'varies'} | {row.size} | {row.channels} | "
        f"{', '.join(row.splits)} | {row.how}: {row.source}{_size(row)} | {_install(row.extra)} |"
        for name, row in DATA_SETS.items()
    ]
    forms = [
        f"| `{name}` | {', '.join(row.suffixes) or 'anything else'} |"
        for name, row in FORMS.items()
    ]
    extractors = [
        f"| `{name}` | {row.features} | {row.source} | {_install(row.extra)} |"
        for name, row in EXTRACTORS.items()
    ]
    losses = [
        f"| `{name}` | `{row.discriminator}` | `{row.generator}` |" for name, row in LOSSES.items()
    ]
    return "\n".join(
        [
            "# Names in a spec\n",
            "## Data sets (`trial.data`)\n",
            "| name | images | side | prepared to | channels | parts | how they come here | extra |",
            f"|{' --- |' * 8}",
            *data,
            "\nImages of your own are given by a path, whose end says what is there:\n",
            "| name | end of the path |",
            f"|{' --- |' * 2}",
            *forms,
            "\n## Extractors (`trial.score.extractor`)\n",
            "| name | features | weights from | extra |",
            f"|{' --- |' * 4}",
            *extractors,
            "\n## Losses (`trial.loss`)\n",
            "| name | D minimises | G minimises |",
            f"|{' --- |' * 3}",
            *losses,
        ]
    )


def _size(row: DataSet) -> str:
    parts = row.megabytes
    said = f"{parts}" if isinstance(parts, int) else ", ".join(map(str, parts.values()))
    return f" ({said} MB)" if said else ""


def _install(extra: str) -> str:
    return f"`{extra}`" if extra else ""


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


PAGES = {
    "reference/cli.md": command_line(),
    "reference/names.md": names(),
    "reference/spec.md": fields(),
}
for path, content in PAGES.items():
    with mkdocs_gen_files.open(path, "w") as page:
        page.write(content + "\n")
