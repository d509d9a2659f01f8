"""Gives the generator of a trial away: its weights, code that runs without this product, samples, a card."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from study.driver.taking import Subject
from study.errors import UserError
from trainables.counting import counted
from trainables.folder import Folder

if TYPE_CHECKING:
    from trainables.taken import Taken

CARD, CONFIGURATION, TRAINING = "card.md", "study.yaml", "training.py"


def export(found: Subject, folder: Path, which: str) -> list[str]:
    """Writes the generator of a trial into a folder; returns the names of the files.

    Args:
        found: The trial.
        folder: Made if need be; files of the same names are replaced.
        which: The generator of its best evaluation (``best``) or of its ``last``.

    Raises:
        UserError: The trial keeps none, or the folder cannot be written to.
    """
    return write(package(found, found.taken(which)), folder)


def package(found: Subject, taken: Taken) -> dict[str, bytes]:
    """The files of a generator, with its card and its configuration, by name."""
    from trainables.export import files, loading
    from trainables.plain_training import plain_training

    made, reason = files(taken)
    training, left_out = plain_training(taken.settings, found.trial.parameters)
    beside = "".join(f"# Left out: {each}.\n" for each in left_out)
    made[TRAINING] = (beside + training).encode()
    made[CONFIGURATION] = found.alone().encode()
    use = textwrap.indent(loading(taken), "    ")
    if reason:
        function = getattr(taken.settings.networks, "name", "")
        use = (
            f"Its network cannot be written as code of its own ({reason}): it is made by the study's "
            f"`{function}`, and `{taken.part}.safetensors` holds its weights, for `load_state_dict`.\n"
        )
    made[CARD] = _card(found, taken, use.rstrip()).encode()
    return made


def samples(taken: Taken, out: Path, count: int, draw: int) -> str:
    """Draws from a generator and writes what comes; returns a sentence on it.

    Args:
        taken: The generator.
        out: ``.png``: 64 images as one picture; ``.npz``: uint8 images (N, H, W, C); ``.txt``: lines;
            without an ending: a folder of PNG files.
        count: How many.
        draw: Which latents; 0 are those of every score.

    Raises:
        UserError: It makes something else than the file holds, or the file cannot be written.
    """
    kind = out.suffix.lower()
    allowed = (".png", ".npz", "") if taken.of_images else (".txt",)
    if kind not in allowed:
        names = ", ".join(each or "a folder" for each in allowed)
        raise UserError(f"--to {out}: this generator's samples are written as {names}")
    if kind == ".png":
        write({out.name: taken.grid(draw)}, out.parent)
        return f"{out} has 64 images"
    if kind == ".txt":
        text = "\n".join(taken.lines(count, draw)) + "\n"
        write({out.name: text.encode()}, out.parent)
        return f"{out} has {counted(count, 'lines')}"
    if kind:
        write(_array(taken, count, draw, out.name), out.parent)
    else:
        write(_pictures(taken, count, draw), out)
    return f"{out} has {counted(count, 'images')}"


def write(files: Mapping[str, bytes], folder: Path) -> list[str]:
    """Writes files into a folder that is made if need be, each whole or not at all; returns their names.

    Raises:
        UserError: They cannot be written there.
    """
    try:
        for name, content in files.items():
            Folder(str(folder.absolute())).write(name, content)
    except OSError as error:
        raise UserError(f"{folder} cannot be written to: {error}; give another --to") from error
    return sorted(files)


def _array(taken: Taken, count: int, draw: int, name: str) -> dict[str, bytes]:
    import numpy as np

    buffer = io.BytesIO()
    images = [batch.permute(0, 2, 3, 1).cpu().numpy() for batch in taken.images(count, draw)]
    np.savez_compressed(buffer, images=np.concatenate(images))
    return {name: buffer.getvalue()}


def _pictures(taken: Taken, count: int, draw: int) -> dict[str, bytes]:
    from PIL import Image

    made: dict[str, bytes] = {}
    for batch in taken.images(count, draw):
        for image in batch.permute(0, 2, 3, 1).cpu().numpy():
            buffer = io.BytesIO()
            Image.fromarray(image[:, :, 0] if image.shape[2] == 1 else image).save(
                buffer, format="PNG"
            )
            made[f"{len(made):06d}.png"] = buffer.getvalue()
    return made


def _card(found: Subject, taken: Taken, use: str) -> str:
    trial, facts = found.trial, taken.facts
    further = "".join(f"- {name}: {value}\n" for name, value in trial.further.items())
    shown = tuple(m for m in trial.measurements if str(m.step) == facts["step"])
    # Of this evaluation, which need not be the best.
    said = replace(trial, measurements=shown).doubt
    doubt = f"- {said}\n" if said else ""
    again = f"ttur train {found.spec.name} {found.name}"
    samples = "samples.png" if taken.of_images else "samples.txt"
    return f"""\
# Generator of {trial.identity}

- {facts["score_name"]}: {float(facts["score"]):.6g} of the {taken.part} after {facts["step"]} updates
{doubt}- b (discriminator's rate): {trial.b:.6g}
- a (generator's rate): {trial.a:.6g}
- d_steps: {trial.d_steps}
{further}- seed: {trial.seed}
- makes: {facts.get("image") or f"lines of {facts['line_length']} characters"}

{"Images" if taken.of_images else "Lines"} of the latents with which it was scored are in `{samples}`.

## Use

With torch and safetensors, in this folder:

{use}

## Train it again

`{again}` repeats the training, `{CONFIGURATION}` is its configuration as a study of its own
(`ttur launch {CONFIGURATION}`), and `{TRAINING}` the same in plain PyTorch.
"""
