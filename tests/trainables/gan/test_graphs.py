"""Why a step is not recorded is said by what broke the recording, not by how torch ended it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

from trainables.gan.graphs import Steps


def test_the_first_fault_is_the_reason() -> None:
    def ended() -> Exception:
        try:
            try:
                raise ValueError("a read cannot be recorded\nand more that nobody reads")
            except ValueError:
                raise RuntimeError("the recording was broken")  # noqa: B904
        except RuntimeError as error:
            return error

    steps = SimpleNamespace(said=None, forget=lambda: None)
    Steps._give_up(cast(Steps, steps), ended())
    assert steps.said == (
        "its updates are launched one kernel at a time, which is slower: they cannot be recorded as a CUDA "
        "graph (ValueError: a read cannot be recorded)"
    )
