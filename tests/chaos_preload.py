"""What the processes of the chaos tests import, once, before they are forked."""

import importlib
import os

from clusters import AT_EASE

__all__: list[str] = []

os.environ |= AT_EASE  # Dask reads it when it is imported
for name in ("cfexecutor", "client", "scheduler", "worker"):
    importlib.import_module(f"distributed.{name}")
for name in ("cli.main", "cli.night", "cli.nights", "run.cluster", "run.dask", "run.engine", "stacks.bands"):
    importlib.import_module(f"zeroframe.{name}")
