"""The installed commands, run as a user types them, with the libraries of all of them loaded once."""

from __future__ import annotations

import atexit
import functools
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

BIN = Path(sys.executable).parent
Command = Callable[..., "subprocess.CompletedProcess[str]"]

# reads orders, forks, and runs what was ordered in the child to the end of the interpreter
_SERVER = """
import gc, json, os, runpy, sys
import accelerate, datasets, evaluate, pandas, torch, torchvision
import transformers.generation, transformers.image_utils, transformers.modeling_utils, transformers.processing_utils

gc.collect()
gc.freeze()

def orders():
    for line in sys.stdin:
        order, child = json.loads(line), os.fork()
        if not child:
            return order
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
    os._exit(0)

order = orders()
os.chdir(order["folder"])
os.environ.clear()
os.environ.update(order["environment"])
for number, path in enumerate((os.devnull, order["output"], order["output"])):
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND)
    os.dup2(file, number)
    os.close(file)
words = order["words"]
if words[1:2] == ["-m"]:
    sys.path[0], sys.argv = order["folder"], words[2:]
    runpy.run_module(words[2], run_name="__main__", alter_sys=True)
elif words[1:2] == ["-c"]:
    sys.path[0], sys.argv = "", ["-c", *words[3:]]
    exec(compile(words[2], "<string>", "exec"), {"__name__": "__main__"})
else:
    sys.path[0], sys.argv = os.path.dirname(words[0]), words
    runpy.run_path(words[0], run_name="__main__")
"""


def environment() -> dict[str, str]:
    """The user's environment, offline, one thread a process so that tests are not slowed by each other."""
    return {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}


def run_alone(folder: Path, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run one of the environment's commands in a folder and return its output; for one that starts quickly, or others.

    Raises:
        AssertionError: The exit code is not zero, and `check` is True.
    """
    done = subprocess.run(
        [str(BIN / words[0]), *words[1:]],
        cwd=folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=280,
    )
    assert not check or done.returncode == 0, done.stdout[-4000:]
    return done


def run_command(folder: Path, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """The same for a command that loads a model.

    Loading torch, transformers and the like takes most of the time of a short command. So a process loads them, and
    nothing of the harnesses or of this project, and each command is its script run in a fork of that process.

    Raises:
        AssertionError: The exit code is not zero, and `check` is True.
    """
    with tempfile.NamedTemporaryFile() as output:
        order = {"folder": str(folder), "words": [str(BIN / words[0]), *words[1:]]}
        server = _server()
        _send(server, {**order, "environment": environment(), "output": output.name})
        code = int(server.stdout.readline())
        said = Path(output.name).read_text(encoding="utf-8", errors="replace")
    assert not check or code == 0, said[-4000:]
    return subprocess.CompletedProcess(order["words"], code, said)


@functools.cache
def _server() -> Any:
    server = subprocess.Popen(
        [sys.executable, "-c", _SERVER], env=environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    atexit.register(server.kill)
    return server


def _send(server: Any, order: dict[str, Any]) -> None:
    server.stdin.write(json.dumps(order) + "\n")
    server.stdin.flush()
