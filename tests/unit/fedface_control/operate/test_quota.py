"""The ledger holds no more runs than it may, and no larger plans."""

from __future__ import annotations

from dataclasses import asdict

import pytest

from fedface_control.api.capacity import ApiCapacity
from fedface_control.operate.quota import Quota
from fedface_control.operate.run import clone_run, create_run
from fedface_core.domain.errors import InvalidInputError, TooManyRunsError
from fedface_core.domain.plan import Plan
from fedface_core.domain.run import Run
from fedface_core.ports import Ports
from fedface_core.runtime.settings import ControlSettings
from support.control_rounds import PLAN, Control

TOO_LARGE = r"the plan takes [\d,]+ bytes, and [\d,]+ are allowed"


def create(ports: Ports, clone_of: str | None, quota: Quota) -> Run:
    """A new run of the usual plan, or of the plan of another run."""
    return create_run(ports, PLAN, quota=quota) if clone_of is None else clone_run(ports, clone_of, {}, quota=quota)


def test_a_run_too_many_is_refused_until_one_is_deleted() -> None:
    ports = Control.empty().ports
    quota = Quota(runs=2)
    first = create_run(ports, PLAN, "one", quota=quota)
    clone_run(ports, first.id, {}, quota=quota)
    for clone_of in (None, first.id):
        with pytest.raises(TooManyRunsError, match=r"the ledger holds 2 runs.*FEDFACE_API_RUNS allows 2; delete runs that"):
            create(ports, clone_of, quota)
    assert create_run(ports, PLAN, "one", quota=quota) == first, "a request that comes again creates nothing"
    ports.ledger.delete(first.id)
    assert create_run(ports, PLAN, quota=quota).plan == PLAN


def test_a_plan_too_large_is_refused_whether_it_is_new_or_a_clone() -> None:
    ports = Control.empty().ports
    size = len(PLAN.model_dump_json())
    quota = Quota(plan_bytes=size)
    run = create_run(ports, PLAN, quota=quota)
    with pytest.raises(InvalidInputError, match=TOO_LARGE):
        create_run(ports, PLAN, quota=Quota(plan_bytes=size - 1))
    with pytest.raises(InvalidInputError, match=TOO_LARGE):
        clone_run(ports, run.id, {"name": PLAN.name + "x"}, quota=quota)
    assert ports.ledger.run_count() == 1


def test_the_quota_that_is_usual_takes_the_usual_plan() -> None:
    assert Quota().plan_bytes > 100 * len(Plan().model_dump_json())


def test_the_limits_of_an_api_without_settings_are_the_defaults_of_the_settings() -> None:
    fields = ControlSettings.model_fields
    assert (Quota().runs, Quota().plan_bytes) == (fields["api_runs"].default, fields["api_plan_bytes"].default)
    of_settings = {name: fields[f"api_{name}"].default for name in asdict(ApiCapacity()) if f"api_{name}" in fields}
    assert of_settings == {
        name: value for name, value in asdict(ApiCapacity()).items() if name not in ("threads", "backlog")
    }
