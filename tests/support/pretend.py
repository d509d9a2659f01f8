"""A pretend accelerator: a torch device whose memory is the CPU's and whose rules are a GPU's.

Inside ``with Accelerator() as gpu:`` the device ``pretend:0`` exists. Its tensors compute exactly what CPU
tensors compute, so a run on it must equal a run on the CPU bit for bit, but it refuses what CUDA refuses, and
counts what costs time there:

* an operation over tensors of both devices, or with a random generator of the other one, raises;
* fused optimisers raise unless parameter, gradient and moments share one layout (CUDA's own condition);
* ``.numpy()`` raises;
* its random numbers come from a stream of its own (``torch.get_device_module("pretend")``);
* ``gpu.kernels`` counts operations launched, ``gpu.reads`` what makes the host wait (``.item()``,
  ``bool(tensor)``, ``.cpu()``, boolean indexing), ``gpu.uploads`` copies to the device, ``gpu.where`` the
  places in the code of both;
* ``gpu.bytes`` is the memory held now and ``gpu.peak`` the most that was held;
* ``Accelerator(float64=False)`` refuses double precision, as Apple's MPS does.

It stands on torch's experimental Python backend and a wrapper subclass. It has no streams that overlap, no
graphs and no timing: speed needs a real device.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

if torch.accelerator.is_available():  # torch knows one accelerator at a time
    pytest.skip("this machine has a real accelerator", allow_module_level=True)

from torch.utils.backend_registration import (
    _DummyBackendModule,
    _setup_privateuseone_for_python_backend,
)

NAME = "pretend"
DEVICE = f"{NAME}:0"
_CPU = torch.device("cpu")
_aten = torch.ops.aten
_WAITING = {
    _aten._local_scalar_dense.default,
    _aten.nonzero.default,
    _aten.masked_select.default,
    _aten.equal.default,
    _aten._unique2.default,
    _aten.unique_consecutive.default,
}
"""Operations whose result the host waits for."""

_COPIES = (_aten._to_copy.default, _aten.copy_.default)
_stream = torch.Generator()


class _Module(_DummyBackendModule):
    """What ``torch.pretend`` answers."""

    def is_available(self) -> bool:
        # A backend cannot be taken out again: tests that follow in this process must not find it.
        return _entered is not None

    def manual_seed(self, seed: int) -> None:
        _stream.manual_seed(seed)

    def manual_seed_all(self, seed: int) -> None:
        _stream.manual_seed(seed)

    def get_rng_state(self, device: object = None) -> Tensor:
        return _stream.get_state()

    def set_rng_state(self, state: Tensor, device: object = None) -> None:
        _stream.set_state(state)

    def synchronize(self, device: object = None) -> None: ...

    def empty_cache(self) -> None: ...

    def set_device(self, device: object) -> None: ...


_setup_privateuseone_for_python_backend(NAME, backend_module=_Module())
_entered: Accelerator | None = None


class PretendTensor(Tensor):
    """A tensor on the pretend device; what it holds (``raw``) is an ordinary CPU tensor."""

    raw: Tensor
    held: _Held
    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]

    @staticmethod
    def __new__(cls: type[PretendTensor], raw: Tensor) -> PretendTensor:
        tensor: PretendTensor = Tensor._make_wrapper_subclass(  # type: ignore[attr-defined]
            cls,
            raw.size(),
            strides=raw.stride(),
            storage_offset=raw.storage_offset(),
            dtype=raw.dtype,
            device=torch.device(NAME, 0),
            requires_grad=False,
        )
        tensor.raw = raw
        return tensor

    def __repr__(self, *, tensor_contents: object = None) -> str:
        return f"pretend({self.raw})"

    def tolist(self) -> Any:
        return self.cpu().tolist()

    def numpy(self, *, force: bool = False) -> Any:
        if not force:
            raise TypeError(
                f"can't convert {DEVICE} device type tensor to numpy; use Tensor.cpu() first"
            )
        return self.detach().cpu().numpy()

    def __array__(self, dtype: Any = None) -> Any:
        return self.numpy()

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if _entered is None:
            raise RuntimeError(
                f"{func.name()}: a tensor of {NAME} was used outside of Accelerator()"
            )
        return _entered.run(func, args, kwargs or {})


class Accelerator(TorchDispatchMode):
    """The device, while the ``with`` block lasts.

    Attributes:
        kernels: Operations launched since :meth:`reset`.
        reads: How often the host waited for the device.
        uploads: Copies from the host to the device.
        where: How often each (read or upload, operation, place in the code) happened.
        bytes: Memory held now.
        peak: The most memory that was held at once.
    """

    def __init__(self, float64: bool = True) -> None:
        super().__init__()
        self._float64 = float64
        self.peak = self.bytes = 0
        self._holders: Counter[int] = Counter()
        self._depth = 0
        self.reset()

    def reset(self) -> None:
        """Sets the counts, not the memory, to zero."""
        self.kernels = self.reads = self.uploads = 0
        self.where: Counter[tuple[str, str, str]] = Counter()

    def __enter__(self) -> Accelerator:
        global _entered
        self._depth += 1
        if self._depth == 1:  # more: entered again, from within an operation
            _entered = self
            self._swapping = torch.__future__.get_swap_module_params_on_conversion()
            # ``parameter.data = …`` cannot change what a wrapper holds; swapping the whole tensor can.
            torch.__future__.set_swap_module_params_on_conversion(True)
        super().__enter__()
        return self

    def __exit__(self, *exc: Any) -> None:
        global _entered
        super().__exit__(*exc)
        self._depth -= 1
        if not self._depth:
            _entered = None
            torch.__future__.set_swap_module_params_on_conversion(self._swapping)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return self.run(func, args, kwargs or {})

    def run(self, func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        """Runs one operation where it belongs."""
        tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        ours = any(isinstance(tensor, PretendTensor) for tensor in tensors)
        target = kwargs.get("device")
        to_ours = ours if target is None else torch.device(target).type == NAME
        if not ours and not to_ours:
            return func(*args, **kwargs)
        # Inference mode hands over operations that are made of others.
        if torch._C._dispatch_has_kernel_for_dispatch_key(func.name(), "CompositeImplicitAutograd"):
            with self:
                result = func.decompose(*args, **kwargs)
            if result is not NotImplemented:
                return result
        self._refuse(func, args, kwargs, tensors, to_ours)
        self._count(func, args, to_ours)
        with _drawing(func, kwargs, to_ours):
            result = self.execute(func, tree_map(_raw, args), _on_cpu(kwargs))
        return self._wrapped(result, tensors, to_ours)

    def execute(self, func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        """Computes one operation of the device, on what its tensors hold."""
        return func(*args, **kwargs)

    def hold(self, storage: int, size: int) -> None:
        """Counts a storage's bytes while at least one tensor lies in it."""
        if not self._holders[storage]:
            self.bytes += size
            self.peak = max(self.peak, self.bytes)
        self._holders[storage] += 1

    def release(self, storage: int, size: int) -> None:
        """One tensor fewer lies in a storage."""
        self._holders[storage] -= 1
        if not self._holders[storage]:
            self.bytes -= size
            del self._holders[storage]

    def _refuse(
        self, func: Any, args: Any, kwargs: dict[str, Any], tensors: list[Tensor], to_ours: bool
    ) -> None:
        """Raises what CUDA (and without float64 MPS) would raise."""
        name = func.name()
        ours = [tensor for tensor in tensors if isinstance(tensor, PretendTensor)]
        theirs = [tensor for tensor in tensors if not isinstance(tensor, PretendTensor)]
        if func not in _COPIES and ours and any(tensor.dim() for tensor in theirs):
            _raise(name, f"all tensors must be on the same device, but found {DEVICE} and cpu")
        generator = kwargs.get("generator")
        if ours and generator is not None and generator.device.type == "cpu":
            _raise(name, f"expected a '{NAME}' device type for generator but found 'cpu'")
        types = [kwargs.get("dtype"), *(tensor.dtype for tensor in ours)]
        if to_ours and not self._float64 and torch.float64 in types:
            raise TypeError(f"{name}: this device has no float64")
        if "_fused_" in name:
            _require_one_layout(name, args)

    def _count(self, func: Any, args: Any, to_ours: bool) -> None:
        self.kernels += 1
        if func in _COPIES:
            source = isinstance(args[1 if func is _COPIES[1] else 0], PretendTensor)
            target = isinstance(args[0], PretendTensor) if func is _COPIES[1] else to_ours
            if source != target:
                self._note("upload" if target else "read", func.name())
        elif func in _WAITING or (func is _aten.index.Tensor and any(map(_is_mask, args[1]))):
            self._note("read", func.name())

    def _note(self, what: str, name: str) -> None:
        if what == "read":
            self.reads += 1
        else:
            self.uploads += 1
        self.where[what, name, _caller()] += 1

    def _wrapped(self, result: Any, tensors: list[Tensor], to_ours: bool) -> Any:
        handed_in = {id(_raw(tensor)): tensor for tensor in tensors}

        def wrapped(value: Any) -> Any:
            if not isinstance(value, Tensor):
                return value
            if id(value) in handed_in:  # done in place, or out=
                return handed_in[id(value)]
            if not to_ours:
                return value
            tensor = PretendTensor(value)
            tensor.held = _Held(self, value)
            return tensor

        return tree_map(wrapped, result)


class _Held:
    """Belongs to one tensor and goes with it.

    A weak reference to the tensor instead would keep torch from swapping it.
    """

    def __init__(self, gpu: Accelerator, raw: Tensor) -> None:
        storage = raw.untyped_storage()
        self._gpu, self._storage, self._size = gpu, storage._cdata, storage.nbytes()
        gpu.hold(self._storage, self._size)

    def __del__(self) -> None:
        self._gpu.release(self._storage, self._size)


@contextmanager
def _drawing(func: Any, kwargs: dict[str, Any], to_ours: bool) -> Iterator[None]:
    """Inside, an operation on the device that draws does so from the device's stream."""
    draws = torch.Tag.nondeterministic_seeded in func.tags and kwargs.get("generator") is None
    if not (draws and to_ours):
        yield
        return
    before = torch.get_rng_state()
    torch.set_rng_state(_stream.get_state())
    try:
        yield
    finally:
        _stream.set_state(torch.get_rng_state())
        torch.set_rng_state(before)


def _raw(value: Any) -> Any:
    return value.raw if isinstance(value, PretendTensor) else value


def _on_cpu(kwargs: dict[str, Any]) -> dict[str, Any]:
    raw: dict[str, Any] = tree_map(_raw, dict(kwargs))
    if raw.get("device") is not None:
        raw["device"] = _CPU
        raw.pop("pin_memory", None)
    return raw


def _is_mask(index: Tensor | None) -> bool:
    return index is not None and index.dtype in (torch.bool, torch.uint8)


def _require_one_layout(name: str, args: Sequence[Any]) -> None:
    lists = [a for a in args if isinstance(a, list | tuple) and a and isinstance(a[0], Tensor)]
    for group in zip(*(entry for entry in lists if len(entry) == len(lists[0])), strict=True):
        like = [tensor for tensor in group if tensor.shape == group[0].shape and tensor.dim()]
        layouts = {
            tuple(s for s, n in zip(t.stride(), t.shape, strict=True) if n > 1) for t in like
        }
        if len(layouts) > 1:
            _raise(name, f"params, grads and states must have one layout, not {layouts}")


def _raise(name: str, message: str) -> NoReturn:
    raise RuntimeError(f"{name}: {message}")


def _caller() -> str:
    """The innermost place outside of torch and this file."""
    frame = sys._getframe(1)
    while frame.f_back is not None:
        path = frame.f_code.co_filename
        if "/torch/" not in path and path != __file__:
            return "/".join(path.split("/")[-2:]) + f":{frame.f_lineno}"
        frame = frame.f_back
    return "?"


def counted(gpu: Accelerator, work: Callable[[], object]) -> tuple[int, int, int]:
    """Returns the kernels, reads and uploads of a piece of work."""
    gpu.reset()
    work()
    return gpu.kernels, gpu.reads, gpu.uploads
