"""One run of the program on one model, within limits of time and memory."""

from __future__ import annotations

import json
import os
import re
import resource
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PRUNED, ERROR, USAGE, MISSED = 0, 1, 2, 3  # exit codes
NOTHING = re.compile(r"nothing in this model can be pruned")
GIB = 1 << 30


@dataclass(frozen=True)
class Finished:
    """How a run ended; `code` is negative where a signal ended it, and None where it ran out of time."""

    code: int | None
    stdout: str
    stderr: str
    report: dict[str, Any] | None = None

    @property
    def message(self) -> str:
        lines = [line.strip() for line in self.stderr.splitlines() if line.strip()]
        marked = [
            i for i, line in enumerate(lines) if "panicked" in line or line.startswith("error")
        ]
        text = " ".join(lines[marked[0] : marked[0] + 3]) if marked else " ".join(lines[-1:])
        return text[:400]


def run(
    command: list[str | Path],
    seconds: float,
    memory: int = 8 * GIB,
    stdin: bytes | None = None,
    cwd: Path | None = None,
) -> Finished:
    """Run a command of at most so many seconds and so many bytes of address space."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

    child = subprocess.Popen(
        [str(c) for c in command], stdin=subprocess.PIPE if stdin is not None else subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=limit, cwd=cwd, env=environment(), start_new_session=True,
    )  # fmt: skip
    try:
        out, err = child.communicate(stdin, timeout=seconds)
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)
        out, err = child.communicate()
        return Finished(None, out.decode(errors="replace"), err.decode(errors="replace"))
    return Finished(child.returncode, out.decode(errors="replace"), err.decode(errors="replace"))


def environment() -> dict[str, str]:
    """The caller's, with the Python environment whose onnxruntime is used here."""
    import sys

    return {
        **os.environ,
        "VIRTUAL_ENV": os.environ.get("VIRTUAL_ENV", sys.prefix),
        "RUST_BACKTRACE": "0",
    }


def prune(
    binary: Path,
    model: Path,
    output: Path,
    options: list[str],
    seconds: float,
    memory: int = 8 * GIB,
) -> Finished:
    """Prune a model; the report is read and removed."""
    report = output.with_suffix(".json")
    for path in (output, report):
        path.unlink(missing_ok=True)
    done = run([binary, model, *options, "--report", report, "-o", output], seconds, memory)
    text = report.read_text() if report.exists() else ""
    report.unlink(missing_ok=True)
    return Finished(done.code, done.stdout, done.stderr, json.loads(text) if text else None)
