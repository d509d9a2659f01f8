"""CUDA's recordings: the kernels of a function become one graph, which is launched as a whole."""

from __future__ import annotations

import gc
from collections.abc import Callable
from contextlib import suppress
from functools import cache

import torch

from trainables.devices import random_state, set_random_state


class CudaCapture:
    """Records functions on one device; their graphs share one pool of memory, as one runs at a time.

    Args:
        device: ``cuda`` or ``cuda:1``.
    """

    def __init__(self, device: str) -> None:
        self._device = device
        self._index = torch.device(device).index
        if self._index is None:
            self._index = torch.cuda.current_device()
        self._stream = _stream(self._index)
        self._pool = torch.cuda.graph_pool_handle()

    def warm_up(self, step: Callable[[], None]) -> None:
        """Calls the function on the stream that will record it, in its turn.

        Autograd may keep a parameter's node of an earlier step, with the stream that it was made on; where
        that is another one, a recording breaks.
        """
        self._stream.wait_stream(torch.cuda.current_stream(self._index))
        with torch.cuda.stream(self._stream):
            step()
        torch.cuda.current_stream(self._index).wait_stream(self._stream)

    def record(self, step: Callable[[], None]) -> Callable[[], None]:
        """Calls the function, whose kernels are noted and not run; returns what runs them.

        Raises:
            Exception: It did what cannot be recorded; memory and random numbers are as before.
        """
        numbers = random_state(self._device)
        gc.collect()  # what is freed while it records would break it
        torch.cuda.synchronize(self._index)
        torch.cuda.empty_cache()
        graph, ended = torch.cuda.CUDAGraph(), False
        try:
            with torch.cuda.stream(self._stream):
                # Another thread (a tracker's, Ray's) may use the device meanwhile.
                graph.capture_begin(pool=self._pool, capture_error_mode="thread_local")
                try:
                    step()
                finally:
                    graph.capture_end()
                    ended = True
        except BaseException:
            graph.reset()
            if not ended:
                self._mend()
            set_random_state(self._device, numbers)
            raise
        return graph.replay

    def _mend(self) -> None:
        """Ends for torch's allocator and its random numbers what a broken recording leaves begun."""
        for end in (torch._C._cuda_endAllocateToPool, torch._C._cuda_releasePool):
            with suppress(RuntimeError):
                end(self._index, self._pool)
        with suppress(RuntimeError), torch.cuda.stream(self._stream):
            another = torch.cuda.CUDAGraph()
            another.capture_begin(capture_error_mode="thread_local")
            torch.zeros((), device=self._device)
            another.capture_end()


@cache
def _stream(index: int) -> torch.cuda.Stream:
    """The one stream of a device that records: matrix products keep memory for each that has made some."""
    return torch.cuda.Stream(index)  # type: ignore[no-untyped-call]
