"""Pipelines, their runs, and what they ask a person, from the command line."""

from typing import Annotated
from urllib.parse import quote, urlencode

import typer

from services.console.commands.asking import secret_line
from services.console.commands.calling import call
from services.console.commands.context import Operator, operator_of
from services.console.commands.render import Cell, clock_time, columns, header
from services.console.stack.errors import StackError
from services.contracts.pipelines import (
    ApprovalList,
    ApprovalStatus,
    ApprovalView,
    PipelineList,
    RunList,
    RunRequest,
    RunStarted,
    RunStatus,
    RunView,
)
from services.kit.ids import SystemRandomness

_AUTOMATION = "automation"
_STYLES = {
    RunStatus.FAILED: "red",
    RunStatus.WAITING_APPROVAL: "yellow",
    RunStatus.RUNNING: "cyan",
    RunStatus.SUCCEEDED: "green",
}
_Approval = Annotated[str, typer.Argument(help="The question's id, as `sightline approvals` shows it.")]
_Limit = Annotated[int, typer.Option(min=1, max=1_000, help="At most so many.")]


def pipelines(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="Show one pipeline, and what starts it.")] = "",
) -> None:
    """Show what the platform does by itself: each pipeline, when it last went well, and when it is due next."""
    operator = operator_of(context)
    listed = PipelineList.model_validate_json(call(operator, _AUTOMATION, "GET", "/pipelines").content).pipelines
    if name:
        found = next((each for each in listed if each.name == name), None)
        if found is None:
            raise StackError(f"there is no pipeline {name}", remedy="`sightline pipelines` lists them")
        operator.out.print(f"{found.name}: {found.purpose}", soft_wrap=True)
        operator.out.print(f"replaces: {found.replaces}", soft_wrap=True)
        for trigger in found.triggers:
            operator.out.print(f"started by: {trigger}", soft_wrap=True)
        return
    rows: list[list[Cell]] = [
        [
            each.name,
            "never" if each.last_success_at is None else clock_time(each.last_success_at),
            "" if each.next_due_at is None else clock_time(each.next_due_at),
            each.purpose,
        ]
        for each in listed
    ]
    operator.out.print(columns([header("pipeline", "last went well", "next", "what for"), *rows]), soft_wrap=True)


def runs(  # noqa: PLR0913 -- what narrows the list down
    context: typer.Context,
    run_id: Annotated[str, typer.Argument(help="Show one run with its steps.")] = "",
    *,
    pipeline: Annotated[str, typer.Option(help="Only runs of this pipeline.")] = "",
    status: Annotated[RunStatus | None, typer.Option(help="Only runs that stand like this.")] = None,
    limit: _Limit = 20,
    cancel: Annotated[bool, typer.Option("--cancel", help="Stop the run before its next step.")] = False,
) -> None:
    """Show what pipelines did, the newest first, or one run with its steps. Exit code 1 when that run failed."""
    operator = operator_of(context)
    if cancel and not run_id:
        raise StackError("--cancel needs a run", remedy="`sightline runs` lists them")
    if run_id:
        answer = call(operator, _AUTOMATION, "DELETE" if cancel else "GET", f"/runs/{quote(run_id, safe='')}")
        run = RunView.model_validate_json(answer.content)
        _show_run(operator, run)
        if run.status is RunStatus.FAILED:
            raise typer.Exit(1)
        return
    query = {"limit": str(limit)} | ({"pipeline": pipeline} if pipeline else {})
    query |= {} if status is None else {"status": status.value}
    answer = call(operator, _AUTOMATION, "GET", f"/runs?{urlencode(query)}")
    listed = RunList.model_validate_json(answer.content).runs
    if not listed:
        operator.progress.note("no run yet")
        return
    rows: list[list[Cell]] = [
        [
            clock_time(run.started_at),
            (run.status.value, _STYLES.get(run.status, "")),
            run.run_id,
            run.target or "",
            run.detail,
        ]
        for run in listed
    ]
    operator.out.print(columns([header("started", "status", "run", "target", ""), *rows]), soft_wrap=True)


def run(
    context: typer.Context,
    pipeline: Annotated[str, typer.Argument(help="Its name, as `sightline pipelines` shows it.")],
    *,
    target: Annotated[str, typer.Option(help="What it is to work on, where it asks for one.")] = "",
    key: Annotated[str, typer.Option(help="The same key never starts a second run.")] = "",
) -> None:
    """Start a pipeline by hand."""
    operator = operator_of(context)
    body = RunRequest(target=target or None).model_dump(mode="json")
    answer = call(
        operator,
        _AUTOMATION,
        "POST",
        f"/pipelines/{quote(pipeline, safe='')}/runs",
        body=body,
        more_headers={"idempotency-key": key or SystemRandomness().token().strip("-_")},
    )
    started = RunStarted.model_validate_json(answer.content)
    word = "started" if started.started else "was there already"
    operator.progress.note(f"{started.run_id} {word}; `sightline runs {started.run_id}` shows it")


def approvals(
    context: typer.Context,
    *,
    every: Annotated[bool, typer.Option("--all", help="Those that were answered, too.")] = False,
    limit: _Limit = 20,
) -> None:
    """Show what waits for a person. Exit code 1 when something does."""
    operator = operator_of(context)
    listed = _approvals(operator, None if every else ApprovalStatus.PENDING, limit)
    if not listed:
        operator.progress.note("nothing waits for a person")
        return
    rows: list[list[Cell]] = [
        [each.approval_id, each.status.value, each.action, _exactly(each), each.reason, clock_time(each.expires_at)]
        for each in listed
    ]
    names = header("approval", "status", "action", "exactly", "why", "expires")
    operator.out.print(columns([names, *rows]), soft_wrap=True)
    if any(each.status is ApprovalStatus.PENDING for each in listed):
        raise typer.Exit(1)


def approve(context: typer.Context, approval: _Approval) -> None:
    """Allow exactly what is shown, once. Takes the step-up passphrase."""
    operator = operator_of(context)
    asked = _shown(operator, approval)
    passphrase = secret_line("step-up passphrase")
    body = {"parameters_digest": asked.parameters_digest, "step_up": passphrase}
    call(operator, _AUTOMATION, "POST", f"/approvals/{quote(approval, safe='')}/grant", body=body)
    operator.progress.note(f"{asked.action} is allowed; run {asked.run_id} goes on")


def refuse(context: typer.Context, approval: _Approval) -> None:
    """Refuse what is asked; it is not done."""
    operator = operator_of(context)
    asked = _shown(operator, approval)
    body = {"parameters_digest": asked.parameters_digest}
    call(operator, _AUTOMATION, "POST", f"/approvals/{quote(approval, safe='')}/refuse", body=body)
    operator.progress.note(f"{asked.action} is refused; run {asked.run_id} goes on without it")


def _shown(operator: Operator, approval: str) -> ApprovalView:
    answer = call(operator, _AUTOMATION, "GET", f"/approvals/{quote(approval, safe='')}")
    asked = ApprovalView.model_validate_json(answer.content)
    operator.progress.note(f"{asked.action} {_exactly(asked)}: {asked.reason}")
    return asked


def _approvals(operator: Operator, status: ApprovalStatus | None, limit: int) -> tuple[ApprovalView, ...]:
    query = {"limit": str(limit)} | ({} if status is None else {"status": status.value})
    answer = call(operator, _AUTOMATION, "GET", f"/approvals?{urlencode(query)}")
    return ApprovalList.model_validate_json(answer.content).approvals


def _exactly(asked: ApprovalView) -> str:
    return ", ".join(f"{name}={value}" for name, value in sorted(asked.parameters.items()))


def _show_run(operator: Operator, run: RunView) -> None:
    about = f" on {run.target}" if run.target else ""
    operator.out.print(
        f"{run.run_id}{about}: {run.status.value}, caused by {run.cause_kind.value} {run.cause_id}. {run.detail}",
        soft_wrap=True,
    )
    rows: list[list[Cell]] = [
        [
            "" if step.ended_at is None else clock_time(step.ended_at),
            ("done", "green") if step.ok else ("failed", "red"),
            step.name,
            "" if step.attempts == 1 else f"{step.attempts} tries",
            step.detail,
        ]
        for step in run.steps
    ]
    if rows:
        operator.out.print(columns([header("ended", "", "step", "", ""), *rows]), soft_wrap=True)
    if run.trace_id.strip("0"):
        operator.progress.note(f"`sightline trace {run.trace_id}` shows when each step ran")
