"""Which steps are made by themselves, recorded and replayed, on a device that notes what it is asked."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
from torch import Tensor, nn

from trainables.gan import graphs
from trainables.gan.graphs import Inputs, Steps
from trainables.gan.watch import NonFiniteError, Watch


class Noting:
    """A device "cuda" whose replay makes the step again, and which notes what it is asked to do."""

    def __init__(self, asked: list[str]) -> None:
        self.asked = asked
        self.broken: Exception | None = None

    def warm_up(self, step: Callable[[], None]) -> None:
        self.asked.append("warm up")
        step()

    def record(self, step: Callable[[], None]) -> Callable[[], None]:
        self.asked.append("record")
        if self.broken:
            raise self.broken

        def replay() -> None:
            self.asked.append("replay")
            step()

        return replay


class Network(nn.Module):
    calls = 0


class Trial:
    """A step that takes a sum of two draws, 1 + 10, 2 + 20, ...

    Attributes:
        asked: What the device was asked to do.
        sums: What the steps came to.
        shape: Of what is drawn next.
        dtype: Of what is drawn next.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: list[str] = []
        self.device = Noting(self.asked)
        self.sums: list[float] = []
        self.network = Network()
        self.shape: tuple[int, ...] = ()
        self.dtype = torch.float32
        self.drawn = {1: 0.0, 10: 0.0}
        self.inputs = Inputs()
        self._sources = [self._source(unit) for unit in self.drawn]
        self.watch = Watch("cpu")
        self.watch.stop = torch.zeros(())  # as on a device: what is noted is read later
        networks = (nn.Module(), self.network)
        monkeypatch.setitem(graphs.CAPTURES, "cuda", self._device)
        self.steps = Steps(self.step, self.inputs, self.watch, networks, self.around)
        self.steps.record_on("cuda:3")

    def _device(self, name: str) -> Noting:
        assert name == "cuda:3"
        return self.device

    def _source(self, unit: int) -> Callable[[], Tensor]:
        def source() -> Tensor:
            self.drawn[unit] += unit
            return torch.full(self.shape, self.drawn[unit], dtype=self.dtype)

        return source

    @contextmanager
    def around(self) -> Iterator[None]:
        self.asked.append("begin")
        yield
        self.asked.append("end")

    def step(self) -> None:
        one, ten = map(self.inputs.take, self._sources)
        loss = (one + ten).sum()
        self.sums.append(float(loss))
        self.watch.check("discriminator", loss, (), [loss])

    def make(self, kinds: str) -> None:
        for kind in kinds:
            self.watch.update += 1
            self.steps.make(kind)


@pytest.fixture
def trial(monkeypatch: pytest.MonkeyPatch) -> Trial:
    return Trial(monkeypatch)


RECORDED = ["begin", "record", "end", "replay"]


def test_two_steps_of_a_kind_are_made_before_one_is_recorded(trial: Trial) -> None:
    trial.make("aaaaa")
    assert trial.asked == ["warm up", "warm up", *RECORDED, "replay", "replay"]
    assert trial.sums == [11, 22, 33, 44, 55]
    assert trial.watch.totals("discriminator") == (165, 5)


def test_each_kind_has_a_recording_of_its_own(trial: Trial) -> None:
    trial.make("abababab")
    two = ["warm up"] * 4
    assert trial.asked == [*two, *RECORDED, *RECORDED, "replay", "replay"]
    assert trial.sums == [11, 22, 33, 44, 55, 66, 77, 88]


def test_an_update_of_a_replay_is_said_by_its_own_number(trial: Trial) -> None:
    trial.make("aaa")
    trial.drawn[10] = -math.inf
    trial.make("a")
    with pytest.raises(NonFiniteError) as caught:
        trial.watch.settle()
    assert caught.value.done == 3  # the fourth could not be made


def test_what_was_forgotten_is_warmed_up_and_recorded_again(trial: Trial) -> None:
    trial.make("aaa")
    trial.asked.clear()
    trial.steps.forget()
    trial.make("aaa")
    assert trial.asked == ["warm up", "warm up", *RECORDED]
    assert trial.sums == [11, 22, 33, 44, 55, 66]


def test_nothing_is_recorded_where_it_was_not_asked_for(trial: Trial) -> None:
    steps = Steps(trial.step, trial.inputs, Watch("cpu"), (), trial.around)
    for _ in range(4):
        steps.make("a")
    assert (trial.asked, trial.sums, steps.said) == ([], [11, 22, 33, 44], None)


@pytest.mark.parametrize(
    ("further", "expected"),
    [
        ({"shape": (2,)}, [88, 55]),
        ({"shape": (1,)}, [44, 55]),
        ({"dtype": torch.float64}, [44, 55]),
    ],
    ids=str,
)
def test_what_is_drawn_otherwise_is_not_replayed(
    trial: Trial, further: dict[str, Any], expected: list[float]
) -> None:
    trial.make("aaa")
    trial.asked.clear()
    usual = {name: getattr(trial, name) for name in further}
    vars(trial).update(further)
    trial.make("a")
    assert trial.asked == []
    vars(trial).update(usual)
    trial.make("a")
    assert trial.asked == ["replay"]
    assert trial.sums == [11, 22, 33, *expected]


def test_a_step_that_cannot_be_recorded_is_made_once_with_what_was_drawn_for_it(
    trial: Trial,
) -> None:
    trial.device.broken = ValueError("a read cannot be recorded")
    trial.make("aaaa")
    assert trial.asked == ["warm up", "warm up", "begin", "record"]
    assert trial.sums == [11, 22, 33, 44]
    assert trial.steps.said == (
        "its updates are launched one kernel at a time, which is slower: they cannot be recorded as a CUDA "
        "graph (ValueError: a read cannot be recorded)"
    )


def test_a_network_that_counts_its_steps_is_as_it_was_before_its_recording(
    trial: Trial, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = trial.device.record

    def counted(step: Callable[[], None]) -> Callable[[], None]:
        trial.network.calls += 1
        return honest(step)

    monkeypatch.setattr(trial.device, "record", counted)
    trial.make("aaa")
    assert trial.network.calls == 0
    assert trial.asked == ["warm up", "warm up", "begin", "record", "end"]
    assert trial.sums == [11, 22, 33]
    assert trial.steps.said == (
        "its updates are launched one kernel at a time, which is slower: they cannot be recorded as a CUDA "
        "graph (a network draws on the host or changes what it keeps outside of tensors)"
    )


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
