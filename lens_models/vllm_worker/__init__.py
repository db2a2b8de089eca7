"""The lens inside vLLM's worker: what its model computes is observed there, and read there.

Nothing but `compiled` imports vllm: a worker mixes `LensWorker` into its own class (`worker_extension_cls`), and its
methods are called by name (`LLM.collective_rpc`) with plain lists, numbers and texts, and answer with such.
"""

from .worker import LensWorker

__all__ = ["LensWorker"]
