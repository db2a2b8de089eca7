"""vLLM's worker for models that it compiles: the blocks are watched before the graph is made.

This module alone imports vllm: its worker is asked for by name (`worker_cls`) and loaded in vLLM's own processes.
"""

from __future__ import annotations

from typing import Any

from vllm.platforms import current_platform

from .in_graph import watch_in_graph
from .parts import find_worker_parts
from .worker import LensWorker

__all__ = ["CompiledLensWorker"]

if current_platform.is_cpu():
    from vllm.v1.worker.cpu_worker import CPUWorker as _Worker
else:
    from vllm.v1.worker.gpu_worker import Worker as _Worker


class CompiledLensWorker(LensWorker, _Worker):  # type: ignore[misc]
    """The platform's worker, with the lens's own methods, whose model is watched from inside its graph."""

    def load_model(self, *args: Any, **kwargs: Any) -> None:
        """As the platform's, then watched."""
        super().load_model(*args, **kwargs)
        watch_in_graph(find_worker_parts(self.model_runner.get_model()))
