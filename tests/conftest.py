"""What holds for every test: nobody is phoned, and parallel work does not fight for two cores."""

from __future__ import annotations

import os

from hypothesis import settings

os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
# Before anything imports torch or NumPy; child processes get it too.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# On a busy machine an example may take any time.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")
