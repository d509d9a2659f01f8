"""The precision of updates: the names that a spec uses."""

from __future__ import annotations

from typing import Literal

PrecisionName = Literal["fp32", "tf32", "bf16"]
"""float32 in full, NVIDIA's TF32 in products and convolutions, or networks under bfloat16 autocast."""
