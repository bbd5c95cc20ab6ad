"""A Prefect flow that has Sightline run a pipeline, and waits for its end.

    python examples/prefect_flow.py digest
    python examples/prefect_flow.py recover_session alpaca-paper

Prefect belongs in an environment of its own: `pip install prefect httpx cryptography`. The flow run's id is the key, so
a task that Prefect tries again, because it died before it had the answer, starts no second run.
"""

import sys

from prefect import flow, get_run_logger, task
from prefect.runtime import flow_run
from prefect.states import State
from sightline_client import AwayError, RefusedError, Sightline

_TRIES = 60
_PAUSE_SECONDS = 2


class NotYetError(Exception):
    """The run goes on."""


def _worth_it(_task: object, _task_run: object, state: State) -> bool:
    """What was refused stays refused."""
    return not isinstance(state.result(raise_on_failure=False), RefusedError)


@task(retries=10, retry_delay_seconds=_PAUSE_SECONDS, retry_condition_fn=_worth_it)
def start(pipeline: str, key: str, target: str | None) -> str:
    """Start the pipeline; its run's id."""
    return Sightline.from_environment().start(pipeline, key, target)


@task(retries=_TRIES, retry_delay_seconds=_PAUSE_SECONDS, retry_condition_fn=_worth_it)
def watch(run_id: str) -> list[str]:
    """Wait for the run's end; its steps."""
    run = Sightline.from_environment().ended(run_id)
    if run is None:
        raise NotYetError(run_id)
    return [step["name"] for step in run["steps"]]


@flow(name="sightline-pipeline")
def sightline_pipeline(pipeline: str, target: str | None = None) -> list[str]:
    """Have Sightline run a pipeline."""
    run_id = start(pipeline, f"prefect-{flow_run.id}", target)
    steps = watch(run_id)
    get_run_logger().info("%s took the steps %s", run_id, ", ".join(steps))
    return steps


if __name__ == "__main__":
    try:
        sightline_pipeline(*sys.argv[1:])
    except (RefusedError, AwayError) as error:
        sys.exit(str(error))
