"""What one command did to one file, and whether that is what is wanted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx

import program
from oracle import judge
from oracle.behaviour import outputs, session
from oracle.judge import Subject
from oracle.masking import masked

MEGABYTES = 400  # peak of a small file


@dataclass
class Seen:
    """What one command did."""

    done: program.Finished
    report: dict[str, Any] | None
    output: Path
    model: Path

    @property
    def written(self) -> bool:
        return self.output.exists()

    @property
    def died(self) -> str:
        """How the process came to a bad end, or nothing."""
        text = self.done.output
        if self.done.seconds >= self.limit:
            return f"no end within {self.limit:.0f} s"
        if self.done.code < 0 or "panicked" in text or "overflowed its stack" in text:
            return f"crashed ({self.done.code}): {self.error}"
        if self.done.peak_mb > self.megabytes:
            return f"{self.done.peak_mb:.0f} MB of memory"
        return ""

    limit: float = 60.0
    megabytes: float = MEGABYTES

    @property
    def error(self) -> str:
        lines = [line.strip() for line in self.done.output.splitlines() if line.strip()]
        marked = [line for line in lines if line.startswith(("error", "thread", "fatal"))]
        return [*marked, *lines[-1:], "nothing printed"][0][:150]

    def says(self, *words: str) -> bool:
        return any(w.lower() in self.done.output.lower() for w in words)


Check = Callable[[Seen], tuple[bool, str]]


def feeds_of(
    model: onnx.ModelProto, sizes: list[dict[str, int]], own: dict[str, Callable]
) -> list[dict]:
    subject = Subject(model, sizes, {}, own)
    return subject.feeds(session(model).get_inputs())


def compared(
    seen: Seen, sizes: list[dict[str, int]], own: dict[str, Callable] | None = None
) -> tuple[bool, str]:
    """The written model against the masked original; what is wrong, or how far apart they are."""
    original, pruned = onnx.load(seen.model), onnx.load(seen.output)
    whole, small = session(original), session(pruned)
    silent = masked(original, pruned)
    expected = session(silent.model)
    worst = 0.0
    for feed in feeds_of(original, sizes, own or {}):
        try:
            outputs(whole, feed)
        except Exception:
            continue  # a size that the original does not take
        a = outputs(expected, feed)  # what it finds may depend on the channels, and so may the shape
        try:
            b = outputs(small, feed)
        except Exception as error:
            return False, f"the pruned model does not run: {error}"[:150]
        if [x.shape for x in a] != [y.shape for y in b]:
            return False, f"shapes {[y.shape for y in b]}, not {[x.shape for x in a]}"
        worst = max(worst, judge.difference(a, b))
    return worst <= judge.TOLERANCE, f"differs by {worst:.1e} from the masked original"


def parameters(path: Path) -> int:
    return judge.count(onnx.load(path))


def saved(
    seen: Seen, least: float, sizes: list[dict[str, int]], own: dict[str, Callable] | None = None
) -> tuple[bool, str]:
    """A model was written, `least` times faster by the report, no larger, and right."""
    if seen.died:
        return False, seen.died
    if not seen.written:
        return False, seen.error
    ok, text = compared(seen, sizes, own)
    speedup = (seen.report or {}).get("speedup") or 0.0
    before, after = seen.model.stat().st_size, seen.output.stat().st_size
    fine = ok and speedup >= least and after <= before
    return fine, f"{speedup:.2f}x, {before / 1e3:.0f} -> {after / 1e3:.0f} kB, {text}"


def pruned(least: float, *sizes: dict[str, int], **own: Callable) -> Check:
    return lambda seen: saved(seen, least, list(sizes) or [{"N": 1}, {"N": 3}], own)


def right_or_nothing(*sizes: dict[str, int], **own: Callable) -> Check:
    """Nothing prunable, or a model that is right at all these sizes."""

    def check(seen: Seen) -> tuple[bool, str]:
        if seen.died:
            return False, seen.died
        if not seen.written:
            frozen = seen.says("nothing in this model can be pruned", "target not reached")
            return frozen, seen.error
        return compared(seen, list(sizes), own)

    return check


def shared(*sizes: dict[str, int]) -> Check:
    """As `pruned`, with weights still shared and figures as the file has them."""

    def check(seen: Seen) -> tuple[bool, str]:
        ok, text = saved(seen, 0.0, list(sizes) or [{"N": 1}, {"N": 3}])
        if not seen.written:
            return ok, text
        uses, small = judge.Uses(onnx.load(seen.model)), onnx.load(seen.output)
        problems = judge.untied(judge.sharing(uses), small)
        stated, stored = (seen.report or {})["after"]["params"], parameters(seen.output)
        if abs(stated - stored) > 0.02 * stored:
            problems.append(f"{stated:.0f} parameters told, {stored} stored")
        if "same" in [o.name for o in small.graph.output]:
            problems += alike(seen.output)
        return ok and not problems, "; ".join([text, *problems])

    return check


def alike(path: Path) -> list[str]:
    """f(a, b) = f(b, a), and f(a, a) depends on nothing."""
    s = session(path)
    rng = np.random.default_rng(3)
    shape = [3 if not isinstance(d, int) else d for d in s.get_inputs()[0].shape]
    a, b = (rng.standard_normal(shape).astype(np.float32) for _ in range(2))
    ab, ba, aa, bb = (s.run(None, {"a": x, "b": y})[0] for x, y in ((a, b), (b, a), (a, a), (b, b)))
    found = []
    if np.abs(ab - ba).max() > 1e-5:
        found.append(f"f(a,b) and f(b,a) differ by {np.abs(ab - ba).max():.2g}")
    if np.abs(aa - bb).max() > 1e-5:
        found.append("f(a,a) is not constant")
    return found


def graceful(*words: str) -> Check:
    """An error that names what is wrong, or a normal end; no crash, no hang, no memory."""

    def check(seen: Seen) -> tuple[bool, str]:
        if seen.died:
            return False, seen.died
        named = not words or seen.done.code == 0 or seen.says(*words)
        return named and seen.done.code in (
            0,
            1,
            3,
            4,
        ), f"rc {seen.done.code} in {seen.done.seconds:.1f} s: {seen.error}"

    return check


def refused(*words: str) -> Check:
    """An error at once, that says one of these words."""

    def check(seen: Seen) -> tuple[bool, str]:
        if seen.died:
            return False, seen.died
        ok = seen.done.code == 1 and (not words or seen.says(*words)) and seen.done.seconds < 5
        return ok, f"rc {seen.done.code} in {seen.done.seconds:.1f} s: {seen.error}"

    return check


def told_or_said(seen: Seen) -> tuple[bool, str]:
    """A comparison of nothing is not called one: verified on inputs that give something, and right there; or said."""
    if seen.died:
        return False, seen.died
    if not seen.written:
        return seen.says("nothing in this model can be pruned"), seen.error
    kinds = ((seen.report or {}).get("verification") or {}).get("inputs", [])
    if not kinds:
        return seen.says("not verified", "not told"), "said to be not verified"
    large = lambda sizes: (
        np.random.default_rng(5).standard_normal((sizes["N"], 3, 4, 4)).astype(np.float32) * 1e3
    )  # noqa: E731
    some = session(seen.model).run(None, {"x": large({"N": 1})})[0].size
    ok, text = compared(seen, [{"N": 1}, {"N": 3}], {"x": large})
    return ok and some > 0, f"verified on inputs that are {', '.join(kinds)}; {some} elements, {text}"


def logarithm(seen: Seen) -> tuple[bool, str]:
    """Right on positive numbers; verified on such, or said not to be."""
    positive = lambda sizes: (
        np.random.default_rng(5).uniform(0.5, 2.0, (sizes["N"], 32)).astype(np.float32)
    )  # noqa: E731
    ok, text = saved(seen, 2.0, [{"N": 1}, {"N": 3}], {"power": positive})
    if not seen.written:
        return ok, text
    verified = (seen.report or {}).get("verification") is not None
    told = seen.says("not verified", "not told")
    return ok and (verified or told), f"{text}; {'verified' if verified else 'not verified'}"


def guessed_sizes(seen: Seen) -> tuple[bool, str]:
    if seen.died:
        return False, seen.died
    if not seen.written:
        return seen.says("--shapes"), seen.error
    before = (seen.report or {})["before"]["macs"]
    ok, text = saved(seen, 2.0, [{"N": 1, "H": 24, "W": 30}, {"N": 2, "H": 33, "W": 20}])
    return ok and before > 0, f"{text}; {before:.3g} MACs"


def counted_recurrent(seen: Seen) -> tuple[bool, str]:
    if seen.died:
        return False, seen.died
    macs = (seen.report or {"before": {"macs": 0.0}})["before"]["macs"]
    named = seen.says("DynamicQuantizeLSTM")
    ok = macs >= 1.0e6 or named
    if seen.written:
        right, text = compared(seen, [{"N": 1}, {"N": 3}])
        # The other end of the quantized layers is rounded: what is masked falls on other steps.
        return ok and (right or float(text.split()[2]) < 0.05), f"{macs:.3g} MACs, {text}"
    return ok and seen.done.code in (1, 3), f"{macs:.3g} MACs; {seen.error}"


def names_operator(name: str, least: float) -> Check:
    def check(seen: Seen) -> tuple[bool, str]:
        if seen.died:
            return False, seen.died
        if seen.written:
            speedup = (seen.report or {}).get("speedup") or 0.0
            named = seen.says(name, "not verified")
            return (
                speedup >= least and named,
                f"{speedup:.2f}x, {'said that' if named else 'not said that'} it is not verified",
            )
        return seen.says(name), seen.error

    return check


def generation(seen: Seen) -> tuple[bool, str]:
    """Verified, with a mask of ones."""
    if seen.died:
        return False, seen.died
    if not seen.written:
        return False, seen.error
    past = lambda sizes: np.zeros((sizes["batch_size"], 2, 0, 16), np.float32)  # noqa: E731
    own: dict[str, Callable] = {
        f"past_key_values.{i}.{k}": past for i in range(2) for k in ("key", "value")
    }
    own["attention_mask"] = lambda sizes: np.ones(
        (sizes["batch_size"], sizes["sequence_length"]), np.int64
    )
    sizes = [
        {
            "batch_size": b,
            "sequence_length": n,
            "total_sequence_length": n,
            "past_sequence_length": 0,
        }
        for b, n in ((1, 5), (2, 7))
    ]
    ok, text = compared(seen, sizes, own)
    verified = (seen.report or {}).get("verification") is not None
    return ok and verified, f"{'verified' if verified else 'not verified'}; {text}"


def warned(seen: Seen) -> tuple[bool, str]:
    ok, text = saved(seen, 2.0, [{}])
    said = seen.says("drop-initializer-inputs", "also graph inputs", "also inputs", "graph inputs")
    return ok and said, f"{text}; {'warned' if said else 'no warning'}"


def dropped(seen: Seen) -> tuple[bool, str]:
    ok, text = saved(seen, 2.0, [{}])
    if seen.written:
        left = len(onnx.load(seen.output).graph.input)
        return ok and left == 1, f"{text}; {left} inputs"
    return ok, text


def escaped(seen: Seen) -> tuple[bool, str]:
    raw = "\x1b]0;" in seen.done.output or "\x1b[31m" in seen.done.output
    return (
        not raw and not seen.died,
        "escape sequences printed" if raw else seen.died or "none printed",
    )


def names_file(seen: Seen) -> tuple[bool, str]:
    ok = not seen.died and seen.done.code == 1 and seen.says(seen.model.name)
    return ok, seen.died or f"rc {seen.done.code}: {seen.error}"


def shape_input(seen: Seen) -> tuple[bool, str]:
    """Nothing prunable, or right for the shape that the original takes."""
    if seen.died:
        return False, seen.died
    if not seen.written:
        ok = seen.says("nothing in this model can be pruned", "target not reached")
        return ok, seen.error
    found = []
    for shape in ([1, 12, 1, 1], [12, 1, 1, 1], [1, -1, 1, 1]):
        try:
            ok, text = compared(
                seen, [{"N": 1}], {"shape": lambda _, s=shape: np.array(s, np.int64)}
            )
        except Exception as error:
            ok, text = False, str(error)[:80]
        found.append((ok, text))
    return all(ok for ok, _ in found), next((text for ok, text in found if not ok), found[0][1])
