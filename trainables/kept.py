"""The generators that a trial keeps: the weights of its best evaluation and of its newest one.

A file is called ``generator-<step>.safetensors`` and lies beside the trial's checkpoints. It holds the
tensors of the generator (``generator.…``) and, where one is kept, of its moving average (``average.…``), and
nothing that needs code to be read. The best evaluation is the one with the lowest score, the earlier of
equals; a trial that was cut off repeats evaluations, and a repeated one takes the place of the one before.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from trainables import checkpoint
from trainables.folder import Folder
from trainables.protocol import Measurement

if TYPE_CHECKING:
    from torch import Tensor

_NAME = re.compile(r"generator-(\d{8,})\.safetensors")


def generator_name(step: int) -> str:
    """Where the generator of an evaluation lies in the trial's folder."""
    return f"generator-{step:08d}.safetensors"


def kept_steps(names: Iterable[str]) -> list[int]:
    """The steps of the generators among the names of a trial's files, ascending."""
    return sorted(int(match[1]) for name in names if (match := _NAME.fullmatch(name)))


def best_evaluation(history: Sequence[Measurement]) -> Measurement | None:
    """The evaluation with the lowest score, the earlier of equals; None of none."""
    return min(history, key=lambda m: (m.score, m.step), default=None)


def steps_to_keep(history: Sequence[Measurement]) -> set[int]:
    """The steps of the best and of the newest evaluation."""
    best = best_evaluation(history)
    return set() if best is None else {best.step, history[-1].step}


class KeptGenerators:
    """The generators in the folder of a trial that runs.

    Those that may still be wanted stay: of the evaluations that were not judged yet, and of what each
    checkpoint goes on from. A trial that is continued from one, on another machine say, need not repeat a
    better evaluation after it to the last digit.
    """

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self._steps = set(kept_steps(folder.names()))

    def keep(self, weights: Mapping[str, Tensor], facts: Mapping[str, str], step: int) -> None:
        """Writes the generator of an evaluation, whole or not at all.

        Args:
            weights: Its tensors by name, on any device.
            facts: What is stated in the file's header.
            step: Generator updates done.

        Raises:
            OSError: It could not be written.
            ValueError: The weights hold something that is not a tensor, or of a kind that the format lacks.
        """
        self._folder.write(generator_name(step), packed(weights, facts))
        self._steps.add(step)

    def prune(self, history: Sequence[Measurement]) -> None:
        """Removes the generators that nothing can ask for any more.

        Args:
            history: The evaluations so far, all of which count.

        Raises:
            OSError: One could not be removed.
        """
        wanted = steps_to_keep(history)
        if self._steps <= wanted:
            return
        for step in checkpoint.steps(self._folder):
            # One at the checkpoint's own step may have been taken before it or after it.
            wanted |= steps_to_keep([m for m in history if m.step < step])
            wanted |= steps_to_keep([m for m in history if m.step <= step])
        for step in sorted(self._steps - wanted):
            self._folder.remove(generator_name(step))
            self._steps.discard(step)


def read_kept(content: bytes) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Reads a kept generator: its tensors by name, and the facts in its header.

    Raises:
        ValueError: The bytes are not a safetensors file.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        tensors = load(content)
        length = int.from_bytes(content[:8], "little")
        facts = json.loads(content[8 : 8 + length]).get("__metadata__", {})
    except (SafetensorError, ValueError) as error:
        raise ValueError(f"it is not a safetensors file: {error}") from error
    return tensors, {str(name): str(value) for name, value in facts.items()}


def tidy(folder: Folder, steps: Iterable[int]) -> None:
    """Removes what a trial that has ended needs no more: its checkpoints, and other generators.

    Args:
        folder: The trial's folder; it may be gone.
        steps: The evaluations whose generators stay.

    Raises:
        OSError: Something could not be removed.
    """
    names = folder.names()
    others = set(kept_steps(names)) - set(steps)
    for name in (*checkpoint.names_among(names), *map(generator_name, sorted(others))):
        folder.remove(name)


def packed(weights: Mapping[str, Tensor], facts: Mapping[str, str]) -> bytes:
    """Tensors as a safetensors file.

    Raises:
        ValueError: A value is not a tensor, or of a kind that the format lacks.
    """
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import save

    others = [name for name, value in weights.items() if not isinstance(value, torch.Tensor)]
    if others:
        raise ValueError(f"{others[0]} is not a tensor")
    # Copies: tensors that share their memory are refused by the format.
    tensors = {name: value.detach().cpu().contiguous().clone() for name, value in weights.items()}
    try:
        return save(tensors, {"format": "pt", **facts})
    except (SafetensorError, KeyError) as error:
        raise ValueError(f"it cannot be written as safetensors: {error}") from error
