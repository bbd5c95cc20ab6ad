"""Writes docs/metrics.md from the catalogue: `python -m telemetry.catalogue_docs`, with `--check` to compare only."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from telemetry.catalogue import METRICS, SPAN_ATTRIBUTES, Label, Metric

_PAGE = Path("docs/metrics.md")

_INTRODUCTION = """\
# Metrics and span attributes

Written by `python -m telemetry.catalogue_docs` from `telemetry/catalogue.py`; change that file, not this one.

Every service exposes these on `/metrics`, except those that only one service has, which say so. The process and
garbage collector metrics of the Prometheus client stand beside them. Prometheus adds `service_name` and `env` to each
series when it scrapes. Where a label's values are listed, every series exists from the start at 0. "Declared at start"
means that a service names the values when it starts; anything else is recorded as `other` and counted by
`sightline_metric_undeclared_labels_total`, so an id never becomes a series.
Counters and histogram buckets carry the trace of their last observation as an exemplar, if that trace was sampled.
"""


def page() -> str:
    """The whole page as Markdown."""
    sections = [_INTRODUCTION, "## Metrics\n", *(_metric(metric) for metric in METRICS), _attributes()]
    return "\n".join(sections)


def main(arguments: Sequence[str] | None = None, path: Path = _PAGE) -> int:
    """Write the page, or with `--check` say whether it stands as it would be written; the process's exit status."""
    parser = argparse.ArgumentParser(prog="python -m telemetry.catalogue_docs", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail when the page is out of date")
    if not parser.parse_args(arguments).check:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(page(), encoding="utf-8")
        return 0
    if path.exists() and path.read_text(encoding="utf-8") == page():
        return 0
    sys.stderr.write(f"{path} is not what the catalogue says; run `python -m telemetry.catalogue_docs`\n")
    return 1


def _metric(metric: Metric) -> str:
    kind = metric.kind.value.capitalize()
    of_one = f" Only the service `{metric.service}` has it." if metric.service else ""
    lines = [f"### `{metric.name}`", "", f"{kind}. {metric.help}{of_one}", ""]
    lines += [_label(label) for label in metric.labels]
    if metric.buckets:
        lines.append(f"- buckets: {', '.join(f'{edge:g}' for edge in metric.buckets)}")
    return "\n".join([*lines, ""] if lines[-1] else lines)


def _label(label: Label) -> str:
    values = "declared at start" if label.values is None else ", ".join(f"`{value}`" for value in label.values)
    return f"- `{label.name}`: {values}"


def _attributes() -> str:
    listed = "\n".join(f"- `{name}`" for name in sorted(SPAN_ATTRIBUTES))
    return (
        "## Span attributes\n\n"
        "A span leaves a process with these attributes and no others; of an exception only its type leaves, of a\n"
        f"status only its code.\n\n{listed}\n"
    )


if __name__ == "__main__":
    sys.exit(main())
