"""A Dask cluster as a `concurrent.futures.Executor`; nothing of Dask is imported before one is asked for."""

from __future__ import annotations

from zeroframe.run.dask.connecting import on_cluster, require_seen
from zeroframe.run.dask.executor import ClusterExecutor

__all__ = ["ClusterExecutor", "on_cluster", "require_seen"]
