"""An Airflow DAG that has Sightline run a pipeline, and waits for its end.

Put this file and `sightline_client.py` into the DAGs folder of an Airflow 3 with `httpx` and `cryptography`. The DAG
run's id is the key, so a task that Airflow tries again, or that is cleared, starts no second run.
"""

import re
from datetime import timedelta

from airflow.sdk import PokeReturnValue, dag, get_current_context, task
from airflow.sdk.exceptions import AirflowFailException
from sightline_client import AwayError, RefusedError, Sightline

_NOT_OF_A_KEY = re.compile(r"[^A-Za-z0-9._:-]")


@dag(schedule=None, catchup=False, params={"pipeline": "digest", "target": None}, tags=["sightline"])
def sightline_pipeline() -> None:
    """Have Sightline run a pipeline."""

    @task(retries=10, retry_delay=timedelta(seconds=5))
    def start() -> str:
        context = get_current_context()
        key = _NOT_OF_A_KEY.sub("-", f"airflow-{context['run_id']}")[:100]
        params = context["params"]
        try:
            return Sightline.from_environment().start(params["pipeline"], key, params["target"])
        except RefusedError as error:
            raise AirflowFailException(str(error)) from error

    @task.sensor(poke_interval=5, timeout=3600, mode="reschedule")
    def watch(run: str) -> PokeReturnValue:
        try:
            ended = Sightline.from_environment().ended(run)
        except AwayError:
            return PokeReturnValue(is_done=False)
        except RefusedError as error:
            raise AirflowFailException(str(error)) from error
        if ended is None:
            return PokeReturnValue(is_done=False)
        return PokeReturnValue(is_done=True, xcom_value=[step["name"] for step in ended["steps"]])

    watch(start())


sightline_pipeline()
