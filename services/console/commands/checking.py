"""`sightline doctor`."""

import typer
from rich.text import Text

from services.console.commands.context import operator_of
from services.console.commands.render import columns
from services.console.stack.doctor import Finding, Verdict, examine

_STYLES = {Verdict.WELL: "green", Verdict.LACKING: "yellow", Verdict.WRONG: "red"}


def doctor(context: typer.Context) -> None:
    """Say what is there, what is missing and what to do. Exit code 1 when something keeps the platform from working."""
    operator = operator_of(context)
    findings = examine(operator.components, operator.layout, operator.clock)
    operator.out.print(
        columns(
            [
                [(finding.verdict.value, _STYLES[finding.verdict]), finding.subject, _words(finding)]
                for finding in findings
            ]
        ),
        soft_wrap=True,
    )
    wrong = [finding.subject for finding in findings if finding.verdict is Verdict.WRONG]
    operator.out.print()
    if wrong:
        operator.out.print(Text(f"to be put right first: {', '.join(sorted(set(wrong)))}"), soft_wrap=True)
        raise typer.Exit(1)
    operator.out.print(Text("nothing keeps the platform from running"))


def _words(finding: Finding) -> str:
    return f"{finding.detail} -> {finding.remedy}" if finding.remedy else finding.detail
