"""`fedface plan init|check|diff`: plan files, before a run is made of them."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fedface_cli.arguments import SettingsOption, is_run_id
from fedface_cli.command_group import Subgroup
from fedface_cli.command_options import api_options, open_api, with_api, with_json
from fedface_cli.terminal import answer, json_wanted, note, print_json

if TYPE_CHECKING:
    from fedface_core.contracts.http import PlanCost
    from fedface_core.domain.plan import Plan

app = typer.Typer(cls=Subgroup, help="Begin a plan file, check one, compare two plans.", no_args_is_help=True)


class Preset(StrEnum):
    """What a plan file begins with; `fedface_cli.plan_presets.PRESETS` has the fields."""

    FOLDER = "folder"
    ORL = "orl"
    ORL_GAUSSIAN = "orl-gaussian"
    SYNTHETIC = "synthetic"
    GAUSSIAN_NEGATIVES = "gaussian-negatives"
    PAPER_CODE = "paper-code"
    PAPER_CODE_AS_WRITTEN = "paper-code-as-written"


@app.command()
@with_json
def init(
    plan_file: Annotated[
        Path, typer.Argument(metavar="PLAN", help="The file to write; - for standard output.", show_default="plan.toml")
    ] = Path("plan.toml"),
    preset: Annotated[
        Preset,
        typer.Option(
            help="Your own photographs in a folder, the ORL database by FedFace or by our own strategy, rendered faces, "
            "your own photographs with public people among them, or the code of FedFace's authors."
        ),
    ] = Preset.FOLDER,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a file that is there.")] = False,
    force: Annotated[bool, typer.Option("--force", hidden=True)] = False,  # what --overwrite was called
) -> None:
    """Write a plan file with every field, its meaning and its default, to begin with."""
    from fedface_cli.plan_template import plan_template
    from fedface_core.domain.errors import InvalidInputError
    from fedface_core.files.whole_file import write_whole

    text = plan_template(preset.value)
    if str(plan_file) == "-":
        answer({"file": None, "preset": preset.value, "plan": text}, text.rstrip("\n"))
        return
    if plan_file.exists() and not (overwrite or force):
        raise InvalidInputError(f"{plan_file} is there already: give another name, or --overwrite to replace it")
    write_whole(plan_file, text.encode())
    answer({"file": str(plan_file), "preset": preset.value, "plan": text}, f"{plan_file} has the preset {preset.value}")
    note(f"change it, then: fedface plan check {plan_file}")


@app.command()
@with_api
def check(
    plan_file: Annotated[Path, typer.Argument(metavar="PLAN", help="The plan, TOML or JSON; - for standard input.")],
    settings: SettingsOption = None,
) -> None:
    """Check a plan: here, or with --api-url or --profile by that API too, which knows its limits and the costs."""
    from fedface_cli.plan_files import display_name, read_plan, with_changes
    from fedface_cli.problem_json import wrong_fields
    from fedface_core.domain.plan.strategy import IN_PROCESS

    plan = with_changes(read_plan(plan_file), settings or [])
    name = display_name(plan_file)
    if not api_options().name_an_api:
        only_simulated = " (for simulations only: fedface simulate)" if plan.strategy.name in IN_PROCESS else ""
        answer(_checked(plan, None), f"{name} is a plan{only_simulated}: {_described(plan)}")
        return
    with open_api() as api:
        where = api.where
        checked = api.check_plan(plan.model_dump(mode="json"))
    if not checked.valid:
        raise wrong_fields(f"{where} does not take {name}", checked.errors)
    answer(
        _checked(checked.plan or plan, checked.cost), f"{where} takes {name}: {_described(plan)}", *_cost_lines(checked.cost)
    )


@app.command()
@with_api
def diff(
    first: Annotated[str, typer.Argument(metavar="PLAN|RUN", help="A plan file, or the id of a run.")],
    second: Annotated[str, typer.Argument(metavar="PLAN|RUN", help="Another one.")],
) -> None:
    """Show which fields of two plans differ. Each is a file or the plan of a run."""
    from rich.table import Table

    from fedface_cli.plain_console import listing_console
    from fedface_cli.wording import field_value
    from fedface_core.domain.plan.differing_fields import differing_fields

    differing = differing_fields([_plan_of(name).model_dump(mode="json") for name in (first, second)])
    if json_wanted():
        rows = [{"field": field, "first": values[0], "second": values[1]} for field, values in differing.items()]
        print_json({"first": first, "second": second, "differences": rows})
        return
    if not differing:
        answer(None, f"{first} and {second} are the same plan")
        return
    table = Table(box=None, padding=(0, 1), collapse_padding=True, header_style="dim")
    for column in ("field", first, second):
        table.add_column(column, overflow="fold")
    for field, values in differing.items():
        table.add_row(field, *map(field_value, values))
    listing_console().print(table)


def _plan_of(name: str) -> Plan:
    """The plan of a run if ``name`` is the id of one and no file, else the plan in the file."""
    from fedface_cli.plan_files import read_plan

    path = Path(name)
    if not is_run_id(name) or path.exists():
        return read_plan(path)
    with open_api() as api:
        return api.run(name).plan


def _checked(plan: Plan, cost: PlanCost | None) -> dict[str, object]:
    return {
        "valid": True,
        "plan": plan.model_dump(mode="json"),
        "cost": None if cost is None else cost.model_dump(mode="json"),
    }


def _described(plan: Plan) -> str:
    from fedface_cli.wording import counted

    invited = plan.cohort.invited(plan.split.clients)
    return (
        f"{counted(plan.rounds, 'round')}, {invited} of {counted(plan.split.clients, 'client')} invited to each; "
        f"{plan.strategy.name}, {plan.model.architecture} from {plan.model.weights} weights, on {plan.data.dataset}"
    )


def _cost_lines(cost: PlanCost | None) -> list[str]:
    from fedface_cli.wording import large

    if cost is None:
        return []
    return [f"  {name.replace('_', ' ')}: {large(value)}" for name, value in cost]
