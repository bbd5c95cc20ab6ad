"""What benchmarks share: contenders measured round by round, medians, and tables that show ratios."""

import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager


def median_call_us(action: Callable[[int], object], calls: int) -> float:
    """Return the median duration of `action(0)`, `action(1)`, ... in microseconds."""
    now = time.perf_counter_ns
    durations = []
    for number in range(calls):
        before = now()
        action(number)
        durations.append(now() - before)
    return statistics.median(durations) / 1_000


def interleaved(contenders: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """Measure each contender once per round, so that a slow minute of the machine meets all of them."""
    results: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, measure in contenders.items():
            results[name].append(measure())
    return results


def median_ratio(values: Sequence[float], base: Sequence[float]) -> float:
    """Return the median of the rounds' ratios, which moves less with the machine than either value."""
    return statistics.median(value / other for value, other in zip(values, base, strict=True))


def markdown_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table whose first column is text and whose others are figures."""
    rule = ["---", *("---:" for _ in head[1:])]
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, rule, *rows))


@contextmanager
def python_child(module: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Run a module of ours with pipes to its input and output; it is ended with the block."""
    command = [sys.executable, "-m", module, *arguments]
    with subprocess.Popen(  # noqa: S603 -- our own module
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as child:
        try:
            yield child
        finally:
            child.kill()


def ask(child: subprocess.Popen[str], command: str) -> str:
    """Write a line to a child and return the line that it answers with."""
    if child.stdin is None or child.stdout is None:
        raise TypeError("the child was started without pipes")
    child.stdin.write(f"{command}\n")
    child.stdin.flush()
    return child.stdout.readline().strip()
