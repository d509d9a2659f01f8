"""Steps that are launched as one: recorded once as a CUDA graph, and replayed on what is drawn next.

A small GAN's step is hundreds of kernels that a GPU is done with sooner than its host has launched them. What
is recorded is the step itself, the function that is called where nothing is recorded. A replay launches the
same kernels on the same memory, so what differs from one step to the next must lie there: what is drawn
(:class:`Inputs`), rates, the losses that are noted. What else differs makes a kind of step, with a recording
of its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

import torch
from torch import Tensor, nn

from trainables.gan.captures import CudaCapture
from trainables.gan.outside import Outside
from trainables.gan.watch import Noted, Watch

Source = Callable[[], Tensor]
Step = Callable[[], None]
WARM_UP = 2
"""Steps of a kind before one is recorded: in these libraries and optimisers take what they keep."""


class Capture(Protocol):
    """How a device records."""

    def warm_up(self, step: Step) -> None:
        """Makes a step where one will be recorded."""
        ...

    def record(self, step: Step) -> Step:
        """Returns what makes the step again; whether it is made once already is the device's affair.

        Raises:
            Exception: It cannot be recorded; the device is as it was before.
        """
        ...


CAPTURES: dict[str, Callable[[str], Capture]] = {"cuda": CudaCapture}
"""The kinds of devices that record, with how they do it."""


def records(device: str) -> bool:
    """Whether such a device records."""
    return torch.device(device).type in CAPTURES


class Inputs:
    """What steps draw: from each source when it is asked, or what was laid out before."""

    def __init__(self) -> None:
        self._laid_out: Iterator[Tensor] | None = None
        self._asked: list[Source] | None = None

    def take(self, source: Source) -> Tensor:
        """Returns what the source gives next; nothing may be written to it."""
        if self._asked is not None:
            self._asked.append(source)
        return source() if self._laid_out is None else next(self._laid_out)

    @contextmanager
    def noting(self) -> Iterator[list[Source]]:
        """Inside, the sources are noted in the order in which they are asked."""
        self._asked = []
        try:
            yield self._asked
        finally:
            self._asked = None

    @contextmanager
    def laid_out(self, values: Sequence[Tensor]) -> Iterator[None]:
        """Inside, no source is asked: the values are taken in their order."""
        self._laid_out = iter(values)
        try:
            yield
        finally:
            self._laid_out = None


class _Recording:
    """A recorded step of one kind, and the memory from which it takes what is drawn."""

    def __init__(self, values: Sequence[Tensor]) -> None:
        self._places = [torch.empty_like(value) for value in values]
        self._noted = Noted()
        self._replay: Step | None = None

    def record(self, capture: Capture, step: Step, inputs: Inputs, watch: Watch) -> None:
        def once() -> None:
            with inputs.laid_out(self._places), watch.apart() as self._noted:
                step()

        self._replay = capture.record(once)

    def fits(self, values: Sequence[Tensor]) -> bool:
        """Whether the values lie as those that it was recorded with."""
        return all(
            (value.shape, value.dtype) == (place.shape, place.dtype)
            for value, place in zip(values, self._places, strict=True)
        )

    def make(self, values: Sequence[Tensor], watch: Watch) -> None:
        """Makes the step with these values."""
        assert self._replay is not None
        torch._foreach_copy_(self._places, list(values))
        self._replay()
        watch.take(self._noted)


class Steps:
    """Makes a trial's steps, each by itself or as a recording of its kind.

    A step that cannot be recorded is made by itself, and so are all after it; nothing of the trial is lost or
    done twice.

    Args:
        step: Makes one step; all that it draws it takes from ``inputs``.
        inputs: What it draws.
        watch: Takes note of its updates.
        networks: What it computes with.
        recording: Entered around what is recorded.

    Attributes:
        said: Why steps are made by themselves, one sentence; None if they are not, or were meant to be.
    """

    def __init__(
        self,
        step: Step,
        inputs: Inputs,
        watch: Watch,
        networks: Sequence[nn.Module],
        recording: Callable[[], AbstractContextManager[object]],
    ) -> None:
        self.said: str | None = None
        self._step = step
        self._inputs = inputs
        self._watch = watch
        self._networks = networks
        self._around = recording
        self._capture: Capture | None = None
        self.forget()

    def record_on(self, device: str) -> None:
        """Records from now on, on a device that does (:func:`records`)."""
        self._capture = CAPTURES[torch.device(device).type](device)

    def forget(self) -> None:
        """Lets go of what was recorded: some of its memory is no longer the trial's."""
        self._recorded: dict[Hashable, _Recording] = {}
        self._sources: dict[Hashable, list[Source]] = {}
        self._warm = Counter[Hashable]()

    def make(self, kind: Hashable) -> None:
        """Makes a step; those of a kind differ in nothing but what lies in memory."""
        if self._capture is None:
            self._step()
        elif self._warm[kind] < WARM_UP:
            self._warm_up(self._capture, kind)
        else:
            self._replayed(self._capture, kind)

    def _warm_up(self, capture: Capture, kind: Hashable) -> None:
        self._warm[kind] += 1
        with self._inputs.noting() as self._sources[kind]:
            capture.warm_up(self._step)

    def _replayed(self, capture: Capture, kind: Hashable) -> None:
        values = [source() for source in self._sources[kind]]
        recording = self._recorded.get(kind)
        if recording is None:
            recording = self._record(capture, kind, values)
        if recording is not None and recording.fits(values):
            recording.make(values, self._watch)
        else:
            with self._inputs.laid_out(values):
                self._step()

    def _record(
        self, capture: Capture, kind: Hashable, values: Sequence[Tensor]
    ) -> _Recording | None:
        recording, outside = _Recording(values), Outside(self._networks)
        try:
            with self._around():
                recording.record(capture, self._step, self._inputs, self._watch)
            if outside.changed():
                raise _OutsideTensorsError(
                    "a network draws on the host or changes what it keeps outside of tensors"
                )
        except Exception as error:
            outside.restore()
            self._give_up(error)
            return None
        self._recorded[kind] = recording
        return recording

    def _give_up(self, error: Exception) -> None:
        # The end of a broken recording says less than its breaking.
        while error.__context__ is not None:
            error = error.__context__  # type: ignore[assignment]
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        if isinstance(error, _OutsideTensorsError):
            reason = str(error)
        self.said = (
            "its updates are launched one kernel at a time, which is slower: they cannot be recorded as a "
            f"CUDA graph ({reason})"
        )
        self._capture = None
        self.forget()


class _OutsideTensorsError(Exception):
    """A step depends on what no recording holds."""
