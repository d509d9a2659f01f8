"""The accelerator of this machine, for the tests that need one."""

from __future__ import annotations

import pytest
import torch


def accelerator() -> str:
    """Its name (``cuda``, ``mps``, …); a test on a machine without one is skipped."""
    found = torch.accelerator.current_accelerator(check_available=True)
    if found is None or found.type == torch._C._get_privateuse1_backend_name():
        pytest.skip("this machine has no accelerator")
    return str(found.type)
