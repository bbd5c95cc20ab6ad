"""Questions to a person: asked once, bound to exact parameters, answered once, used once, or expired."""

import hashlib
import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from sqlalchemy import Connection, RowMapping, func, insert, select, update

from services.automation.approvals.policy import POLICY
from services.automation.pipelines import store
from services.automation.pipelines.pipeline import Answer
from services.automation.pipelines.running import Asked
from services.automation.tables import APPROVALS, RUNS
from services.contracts.pipelines import (
    ApprovalExpired,
    ApprovalGranted,
    ApprovalList,
    ApprovalRefused,
    ApprovalRequested,
    ApprovalStatus,
    ApprovalView,
    ManualIntervention,
)
from services.kit.clock import Clock
from services.kit.errors import SightlineError
from services.kit.facts import Facts
from services.kit.ids import Randomness
from services.kit.moments import microseconds, moment


class UnknownApprovalError(SightlineError):
    """No question has this id."""

    status_code = HTTPStatus.NOT_FOUND
    code = "unknown_approval"
    title = "There is no such approval"


class ApprovalClosedError(SightlineError):
    """The question was answered before, or nobody may answer it any more."""

    status_code = HTTPStatus.CONFLICT
    code = "approval_closed"
    title = "The approval is closed"


class ParametersDifferError(SightlineError):
    """What the person saw is not what is asked for."""

    status_code = HTTPStatus.CONFLICT
    code = "parameters_differ"
    title = "This is not what is asked for"


class UnknownActionError(SightlineError):
    """No rule says whether this action needs a person."""

    code = "unknown_action"
    title = "No rule for this action"


def digest_of(action: str, target: str | None, parameters: Mapping[str, str]) -> str:
    """SHA-256 of what exactly is allowed, in hexadecimal digits."""
    exact = json.dumps([action, target, dict(sorted(parameters.items()))], separators=(",", ":"))
    return hashlib.sha256(exact.encode()).hexdigest()


class ApprovalDesk:
    """Asks, takes answers in and says what they mean. Its methods block."""

    def __init__(self, facts: Facts, clock: Clock, randomness: Randomness) -> None:
        self._facts, self._clock, self._randomness = facts, clock, randomness

    def ask(self, run_id: str, number: int, action: str, parameters: Mapping[str, str], reason: str) -> Asked:
        """State the question; asked again by the same run, it is the same one. Raises `UnknownActionError`."""
        rule = POLICY.get(action)
        if rule is None:
            raise UnknownActionError(f"{action} has no rule in services/automation/approvals/policy.py.")
        now = self._clock.now()
        with self._facts.transaction(durable=True) as tx:
            same = (APPROVALS.c.run_id == run_id) & (APPROVALS.c.number == number)
            known = tx.connection.execute(select(APPROVALS).where(same)).mappings().one_or_none()
            if known is not None:
                return Asked(known["approval_id"], moment(known["expires_at_us"]))
            run = store.one(tx.connection, run_id)
            pipeline, target = ("", None) if run is None else (run.pipeline, run.target)
            approval_id, expires_at = self._randomness.token().lstrip("-_") or "approval", now + rule.open_for
            digest = digest_of(action, target, parameters)
            tx.connection.execute(
                insert(APPROVALS).values(
                    approval_id=approval_id,
                    run_id=run_id,
                    number=number,
                    pipeline=pipeline,
                    action=action,
                    parameters=json.dumps(dict(parameters)),
                    parameters_digest=digest,
                    target=target,
                    reason=reason,
                    status=ApprovalStatus.PENDING.value,
                    requested_at_us=microseconds(now),
                    expires_at_us=microseconds(expires_at),
                )
            )
            store.wait(tx.connection, run_id, waiting=True)
            tx.record(
                ApprovalRequested(
                    subject=approval_id,
                    approval_id=approval_id,
                    action=action,
                    parameters_digest=digest,
                    parameters=dict(parameters),
                    target=target,
                    reason=reason,
                    expires_at=expires_at,
                    run_id=run_id,
                    pipeline=pipeline,
                )
            )
        return Asked(approval_id, expires_at)

    def answered(self, approval_id: str) -> bool:
        """Whether a person has decided. Raises `UnknownApprovalError`."""
        return self.one(approval_id).status is not ApprovalStatus.PENDING

    def settle(self, approval_id: str) -> Answer:
        """What the answer means to the run that asked, the same whenever it is asked again.

        An approval is used up by it. No answer by now is none, and an approval that a run comes for too late (the
        platform was down) is none either.
        """
        now = self._clock.now()
        with self._facts.transaction(durable=True) as tx:
            row = _row(tx.connection, approval_id)
            store.wait(tx.connection, row["run_id"], waiting=False)
            status = ApprovalStatus(row["status"])
            late = row["used_at_us"] is None and microseconds(now) >= row["expires_at_us"]
            if status is ApprovalStatus.PENDING or (status is ApprovalStatus.GRANTED and late):
                _set(tx.connection, approval_id, status=ApprovalStatus.EXPIRED.value)
                tx.record(ApprovalExpired(**_told(row)))
                return Answer.EXPIRED
            if status is ApprovalStatus.GRANTED and row["used_at_us"] is None:
                _set(tx.connection, approval_id, used_at_us=microseconds(now))
        answers = {ApprovalStatus.GRANTED: Answer.APPROVED, ApprovalStatus.REFUSED: Answer.REFUSED}
        return answers.get(status, Answer.EXPIRED)

    def grant(self, approval_id: str, digest: str, *, by: str) -> ApprovalView:
        """Allow exactly what `digest` names.

        Raises:
            UnknownApprovalError: There is no such question.
            ApprovalClosedError: It was answered, or its time is over.
            ParametersDifferError: The digest is of something else.
        """
        return self._decide(approval_id, digest, by=by, granted=True)

    def refuse(self, approval_id: str, digest: str, *, by: str) -> ApprovalView:
        """Refuse. Raises as `grant` does."""
        return self._decide(approval_id, digest, by=by, granted=False)

    def close_left(self) -> int:
        """Expire the questions of runs that were canceled: nobody waits for the answer; how many."""
        query = select(APPROVALS.c.approval_id).where(
            APPROVALS.c.status == ApprovalStatus.PENDING.value,
            APPROVALS.c.run_id.in_(select(RUNS.c.run_id).where(RUNS.c.status.in_(store.ENDED))),
        )
        closed = 0
        with self._facts.transaction() as tx:
            for approval_id in tx.connection.execute(query).scalars().all():
                row = _row(tx.connection, approval_id)
                if row["status"] == ApprovalStatus.PENDING:  # still, now that the row is ours
                    _set(tx.connection, approval_id, status=ApprovalStatus.EXPIRED.value)
                    tx.record(ApprovalExpired(**_told(row)))
                    closed += 1
        return closed

    def one(self, approval_id: str) -> ApprovalView:
        """A question. Raises `UnknownApprovalError`."""
        with self._facts.transaction() as tx:
            return _view(_row(tx.connection, approval_id))

    def listing(self, *, status: ApprovalStatus | None, limit: int) -> ApprovalList:
        """Questions, the newest first."""
        query = select(APPROVALS).order_by(APPROVALS.c.requested_at_us.desc(), APPROVALS.c.approval_id).limit(limit)
        if status is not None:
            query = query.where(APPROVALS.c.status == status.value)
        with self._facts.transaction() as tx:
            rows = tx.connection.execute(query).mappings().all()
        return ApprovalList(approvals=tuple(_view(row) for row in rows))

    def waiting(self) -> tuple[int, float]:
        """How many questions wait, and for how many seconds the oldest has."""
        query = select(func.count(), func.min(APPROVALS.c.requested_at_us)).where(
            APPROVALS.c.status == ApprovalStatus.PENDING.value
        )
        with self._facts.transaction() as tx:
            count, oldest = tx.connection.execute(query).one()
        return count, 0.0 if oldest is None else (self._clock.now() - moment(oldest)).total_seconds()

    def _decide(self, approval_id: str, digest: str, *, by: str, granted: bool) -> ApprovalView:
        now = self._clock.now()
        with self._facts.transaction(durable=True) as tx:
            row = _row(tx.connection, approval_id)
            if row["parameters_digest"] != digest:
                raise ParametersDifferError("Look at it again with `sightline approvals`; nothing was decided.")
            if row["status"] != ApprovalStatus.PENDING:
                raise ApprovalClosedError(f"It was {row['status']} before. An answer counts once.")
            if microseconds(now) >= row["expires_at_us"]:
                raise ApprovalClosedError("Its time is over. The pipeline asks again when it still matters.")
            run = store.one(tx.connection, row["run_id"])
            if run is not None and run.status.ended:
                raise ApprovalClosedError("The run that asked has ended; nothing waits for an answer.")
            status = ApprovalStatus.GRANTED if granted else ApprovalStatus.REFUSED
            _set(tx.connection, approval_id, status=status.value, decided_at_us=microseconds(now), decided_by=by)
            tx.record((ApprovalGranted if granted else ApprovalRefused)(**_told(row), decided_by=by))
            tx.record(ManualIntervention(subject=approval_id, kind="approve" if granted else "refuse", by=by))
            return _view(_row(tx.connection, approval_id))


def _row(connection: Connection, approval_id: str) -> RowMapping:
    # Locked until the caller's transaction ends: of two people who answer at once, the second finds it answered.
    query = select(APPROVALS).where(APPROVALS.c.approval_id == approval_id).with_for_update()
    row = connection.execute(query).mappings().one_or_none()
    if row is None:
        raise UnknownApprovalError(f"There is none called {approval_id}; `sightline approvals` lists them.")
    return row


def _set(connection: Connection, approval_id: str, **values: Any) -> None:  # noqa: ANN401 -- a row's values
    connection.execute(update(APPROVALS).where(APPROVALS.c.approval_id == approval_id).values(values))


def _told(row: RowMapping) -> dict[str, Any]:
    return {
        "subject": row["approval_id"],
        "approval_id": row["approval_id"],
        "action": row["action"],
        "parameters_digest": row["parameters_digest"],
        "target": row["target"],
        "reason": row["reason"],
        "expires_at": moment(row["expires_at_us"]),
    }


def _view(row: RowMapping) -> ApprovalView:
    decided = row["decided_at_us"]
    return ApprovalView(
        approval_id=row["approval_id"],
        run_id=row["run_id"],
        pipeline=row["pipeline"],
        action=row["action"],
        parameters=json.loads(row["parameters"]),
        parameters_digest=row["parameters_digest"],
        target=row["target"],
        reason=row["reason"],
        status=ApprovalStatus(row["status"]),
        requested_at=moment(row["requested_at_us"]),
        expires_at=moment(row["expires_at_us"]),
        decided_at=None if decided is None else moment(decided),
        decided_by=row["decided_by"],
    )
