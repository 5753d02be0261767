"""Runs the `onnx-prune` command and reads what it reports."""

from __future__ import annotations

import json
import resource
import signal
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
MODELS = ROOT / "target" / "models"
BINARY = ROOT / "target" / "release" / "onnx-prune"
PRUNED, ERROR, MISSED = 0, 1, 3  # exit codes


@dataclass(frozen=True)
class Finished:
    """What a child process left behind."""

    code: int
    output: str
    seconds: float
    peak_mb: float


def execute(
    command: list[str | Path],
    limit: float = 3600.0,
    cwd: Path | None = None,
    memory: int | None = None,
    environment: dict[str, str] | None = None,
) -> Finished:
    """Run a command, at most `limit` seconds and `memory` bytes of address space, with its wall time and its peak memory."""

    def bound() -> None:
        if memory:
            resource.setrlimit(resource.RLIMIT_AS, (memory, memory))

    with tempfile.TemporaryFile("w+", errors="replace") as log:
        start = time.monotonic()
        child = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, cwd=cwd, env=environment, preexec_fn=bound)
        timer = threading.Timer(limit, child.send_signal, [signal.SIGKILL])
        timer.start()
        # What wait4 tells of memory counts this process too, which the child was before it became the command.
        peak = 0.0
        while True:
            peak = max(peak, peak_mb(child.pid))
            try:
                child.wait(0.01)
                break
            except subprocess.TimeoutExpired:
                continue
        timer.cancel()
        seconds = time.monotonic() - start
        log.seek(0)
        return Finished(child.returncode, log.read(), seconds, peak)


def peak_mb(pid: int) -> float:
    """The most memory that a process has had so far; 0 where the system does not tell."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    found = [line.split()[1] for line in lines if line.startswith("VmHWM:")]
    return int(found[0]) * 1024 / 1e6 if found else 0.0


@dataclass(frozen=True)
class Run:
    """One run of the program: how it ended, and its report where there is one."""

    done: Finished
    report: dict[str, Any] | None

    @property
    def message(self) -> str:
        """Why there is no result: the line of the error, or how the process died."""
        if self.done.code < 0:
            return f"killed by signal {-self.done.code}"
        lines = [line.strip() for line in self.done.output.splitlines() if line.strip()]
        marked = [i for i, line in enumerate(lines) if "panicked" in line or line.startswith("error")]
        return " ".join(lines[marked[0] : marked[0] + 2]) if marked else " ".join(lines[-1:])


def onnxruntime_library() -> Path:
    """The C library inside the installed onnxruntime package."""
    import onnxruntime

    folder = Path(onnxruntime.__file__).parent / "capi"
    return next(p for p in sorted(folder.iterdir()) if p.name.startswith("libonnxruntime.so"))


def version(binary: Path) -> str:
    return subprocess.run([binary, "--version"], capture_output=True, text=True).stdout.strip()


def prune(
    binary: Path, model: Path, options: list[str], output: Path, limit: float = 3600.0
) -> Run:
    """Prune `model` into `output`."""
    report = output.with_suffix(".json")
    done = execute([binary, model, *options, "--report", report, "-o", output], limit)
    text = report.read_text() if report.exists() else ""
    report.unlink(missing_ok=True)
    return Run(done, json.loads(text) if text else None)
