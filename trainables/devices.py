"""The device that a trial computes on: which there is, its stream of random numbers, how exactly it computes.

Everything goes through torch's names for any accelerator, so that ROCm (which calls itself ``cuda``), XPU and
MPS work as far as torch does.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from typing import Any, TypeVar

import torch
from torch import Tensor

from trainables.settings.optimisation import PrecisionName

_T = TypeVar("_T")
_PRECISION = "fp32_precision"


def accelerator() -> str | None:
    """The kind of this machine's accelerator (``cuda``, ``xpu``, ``mps``), None without one."""
    found = torch.accelerator.current_accelerator(check_available=True)
    return None if found is None else str(found.type)


def kind_of(device: str) -> str:
    """The kind of a device: ``cuda`` of ``cuda:1``."""
    return torch.device(device).type


def has_float64(device: torch.device) -> bool:
    """Whether an accelerator computes in double precision; of the CPU, where NumPy does so faster, False."""
    try:
        torch.empty(0, dtype=torch.float64, device=device)
    except TypeError:  # MPS
        return False
    if device.type == "xpu":
        return bool(torch.xpu.get_device_properties(device).has_fp64)
    return device.type != "cpu"


def uploaded(values: Tensor, device: str) -> Tensor:
    """Returns values of the host on the device; the host does not wait where it need not."""
    kind = kind_of(device)
    if kind == "cpu":
        return values
    return (values.pin_memory() if kind == "cuda" else values).to(device, non_blocking=True)


def random_state(device: str) -> Tensor:
    """Returns where the device's stream of random numbers stands, as bytes on the CPU."""
    module = torch.get_device_module(device)
    state: Tensor = module.get_rng_state(*_place(device))
    return state


def set_random_state(device: str, state: Tensor) -> None:
    """Continues from :func:`random_state`."""
    torch.get_device_module(device).set_rng_state(state, *_place(device))


def seeded_state(device: str, seed: int) -> Tensor:
    """Returns the state that ``seed`` gives to the device's stream, which stays where it is."""
    before = random_state(device)
    try:
        torch.get_device_module(device).manual_seed(seed)
        return random_state(device)
    finally:
        set_random_state(device, before)


@contextmanager
def own_random_numbers(seed: int) -> Iterator[None]:
    """Inside, torch's global stream on the CPU starts at ``seed``; afterwards all streams are as before.

    ``torch.manual_seed`` seeds every device, so it is not used here; what is called inside (a user's code)
    may use it all the same, so the accelerator's stream is restored too.
    """
    kind = accelerator()
    used = kind is not None and torch.get_device_module(kind).is_initialized()
    state = random_state(kind) if kind is not None and used else None
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        try:
            yield
        finally:
            if kind is not None and state is not None:
                set_random_state(kind, state)


@contextmanager
def kernels(*, repeatable: bool) -> Iterator[None]:
    """Inside, cuDNN uses only algorithms that give the same result every time, or the fastest it finds."""
    cudnn: Any = torch.backends.cudnn
    before = (cudnn.enabled, cudnn.benchmark, cudnn.deterministic)
    cudnn.enabled, cudnn.benchmark, cudnn.deterministic = True, not repeatable, repeatable
    try:
        yield
    finally:
        cudnn.enabled, cudnn.benchmark, cudnn.deterministic = before


@contextmanager
def full_precision() -> Iterator[None]:
    """Keeps float32 at full precision: no TF32 or bfloat16 in products and convolutions, no autocast."""
    kinds = {"cpu", accelerator() or "cpu"}
    with ExitStack() as stack:
        stack.enter_context(_convolutions(tf32=False))
        stack.enter_context(_products(tf32=False))
        for kind in filter(torch.is_autocast_enabled, kinds):
            stack.enter_context(torch.autocast(kind, enabled=False))
        yield


@contextmanager
def at_precision(precision: PrecisionName, device: str) -> Iterator[None]:
    """Inside, float32 is computed as ``precision`` says, on the device.

    TF32 is a number of NVIDIA's (10 bits of mantissa in products and convolutions); a CPU computes in full.
    With ``bf16`` all is at full precision but for what is called inside :func:`lowered`.
    """
    if precision != "tf32" or kind_of(device) == "cpu":
        with full_precision():
            yield
    else:
        with _convolutions(tf32=True), _products(tf32=True):
            yield


def lowered(precision: PrecisionName, device: str) -> AbstractContextManager[object]:
    """Inside, a network's products and convolutions are computed in bfloat16, if ``precision`` is that.

    A context of its own for each network: autocast keeps the weights that it has converted until it is left,
    and they must not be kept over an update, nor from where no gradient was asked for.
    """
    return torch.autocast(kind_of(device), torch.bfloat16) if precision == "bf16" else nullcontext()


def keep_to_share(device: str, share: float) -> None:
    """Lets torch take no more than this share of an NVIDIA GPU's memory, so that the trials beside go on."""
    if kind_of(device) == "cuda":
        torch.cuda.set_per_process_memory_fraction(min(1.0, share))


def release() -> None:
    """Gives the memory of trials that have ended back to the device."""
    gc.collect()
    kind = accelerator()
    if kind is not None and torch.get_device_module(kind).is_initialized():
        torch.get_device_module(kind).empty_cache()


@contextmanager
def _convolutions(*, tf32: bool) -> Iterator[None]:
    """Allows or forbids TF32 in cuDNN."""
    cudnn: Any = torch.backends.cudnn
    groups = [getattr(cudnn, name, None) for name in ("conv", "rnn")]
    with _as_found(groups), _old_switch(_get_cudnn, _set_cudnn, tf32):
        _set_precision(groups, "tf32" if tf32 else "ieee")
        yield


@contextmanager
def _products(*, tf32: bool) -> Iterator[None]:
    """Allows or forbids TF32 in matrix products, and in the CPU's products and convolutions."""
    backends: Any = torch.backends
    old = (torch.get_float32_matmul_precision, torch.set_float32_matmul_precision)
    groups = [
        backends.cuda.matmul,
        *(getattr(backends.mkldnn, n, None) for n in ("matmul", "conv")),
    ]
    with _as_found(groups), _old_switch(*old, "high" if tf32 else "highest"):
        _set_precision(groups, "tf32" if tf32 else "ieee")
        yield


# Torch has two ways to say how exactly float32 is computed. Whoever reads by one what was set by the other
# gets an error, so both are set, and each is put back as it was found.


@contextmanager
def _old_switch(get: Callable[[], _T], put: Callable[[_T], None], value: _T) -> Iterator[None]:
    try:
        found = [get()]
    except RuntimeError:  # somebody uses the new way only
        found = []
    put(value)
    try:
        yield
    finally:
        for known in found:
            put(known)


@contextmanager
def _as_found(groups: Sequence[Any]) -> Iterator[None]:
    """Puts the precisions of groups back; one that is inherited must go on following the group above."""
    found = [getattr(group, _PRECISION, None) for group in groups]
    try:
        yield
    finally:
        for group, precision in zip(groups, found, strict=True):
            if precision is None:
                continue
            setattr(group, _PRECISION, "none")
            if getattr(group, _PRECISION) != precision:
                setattr(group, _PRECISION, precision)


def _set_precision(groups: Sequence[Any], precision: str) -> None:
    for group in groups:
        if hasattr(group, _PRECISION):  # since torch 2.9
            setattr(group, _PRECISION, precision)


def _get_cudnn() -> bool:
    allowed: bool = torch.backends.cudnn.allow_tf32
    return allowed


def _set_cudnn(allowed: bool) -> None:
    torch.backends.cudnn.allow_tf32 = allowed


def _place(device: str) -> Sequence[str]:
    """The device as an argument, where it is more than its kind: MPS takes none."""
    return () if torch.device(device).index is None else (device,)
