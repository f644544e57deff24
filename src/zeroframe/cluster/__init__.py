"""A Dask cluster as a `concurrent.futures.Executor`; nothing of Dask is imported before one is asked for."""

from __future__ import annotations

from zeroframe.cluster.connecting import on_cluster
from zeroframe.cluster.executor import ClusterExecutor

__all__ = ["ClusterExecutor", "on_cluster"]
