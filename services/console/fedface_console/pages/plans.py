"""The form for a new run: presets, the API's check of the plan, and what the run would cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from fedface_console.actions import key_of
from fedface_console.control_api import ControlApi
from fedface_console.errors import ApiProblemError, PageError
from fedface_console.forms import read_form
from fedface_console.pages.run import load_run
from fedface_console.pages.runs import RunIdQuery
from fedface_console.plan_form import PlanForm
from fedface_console.templating import ApiDep, page
from fedface_core.contracts.http import FieldProblem, PlanCheck, RunDetail

router = APIRouter(prefix="/plans")


@router.get("/new")
async def show_form(
    request: Request,
    api: ApiDep,
    preset: Annotated[str, Query(max_length=100)] = "",
    run: RunIdQuery = None,
) -> HTMLResponse:
    """Show the form: empty, with a preset, or with the plan of a run."""
    form = await _form(api)
    plan: Mapping[str, Any] = {}
    if preset:
        if preset not in form.presets:
            raise PageError(f"There is no preset {preset!r}; there are {', '.join(form.presets)}.")
        plan = form.presets[preset].plan
    elif run is not None:
        plan = (await load_run(api, run)).plan.model_dump(mode="json")
    return await _page(request, api, form, form.values(plan), chosen=preset)


@router.post("/new")
async def use_form(request: Request, api: ApiDep) -> Response:
    """Check the plan, or create a run of it and perhaps start it."""
    given = await read_form(request)
    form = await _form(api)
    plan, wrong = form.plan(given)
    if wrong:
        return await _page(request, api, form, given, wrong=wrong, status=422)
    if given.get("do") == "check":
        checked = await api.change(PlanCheck, "POST", "/v1/plans:check", json=plan)
        return await _page(request, api, form, given, wrong=checked.errors if checked else (), checked=checked)
    key = key_of(given)
    try:
        run = await api.change(RunDetail, "POST", "/v1/runs", key=key, json=plan)
    except ApiProblemError as error:
        if error.status != 422:
            raise
        found = error.wrong or [FieldProblem(field="", message=str(error))]
        return await _page(request, api, form, given, wrong=found, status=422)
    assert run is not None, "a run that was created is in the answer"
    if given.get("do") == "start":
        await api.change(RunDetail, "POST", f"/v1/runs/{run.id}/start", key=f"{key}-start")
    return RedirectResponse(f"/runs/{run.id}", 303)


async def _form(api: ControlApi) -> PlanForm:
    return PlanForm(await api.json("/openapi.json"))


async def _page(
    request: Request,
    api: ControlApi,
    form: PlanForm,
    values: Mapping[str, str],
    *,
    wrong: Sequence[FieldProblem] = (),
    checked: PlanCheck | None = None,
    chosen: str = "",
    status: int = 200,
) -> HTMLResponse:
    by_field: dict[str, list[str]] = {}
    for one in wrong:
        # An error of a part's inside, such as `strategy.fedprox.mu`, is shown at the field that has it.
        field = next((path for path in _paths(one.field) if path in form.fields), "")
        by_field.setdefault(field, []).append(one.message if field == one.field else f"{one.field}: {one.message}")
    return page(
        request,
        "plan.html",
        status,
        reader=await api.reader(),
        form=form,
        values=values,
        wrong=by_field,
        checked=checked,
        chosen=chosen,
    )


def _paths(field: str) -> list[str]:
    """The path, and those of what it lies in, the longest first."""
    parts = field.split(".")
    return [".".join(parts[:length]) for length in range(len(parts), 0, -1)]
