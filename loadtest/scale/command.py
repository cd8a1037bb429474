"""`fedface bench scale` and `fedface bench service-times`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fedface_cli.command_options import with_json
from fedface_stack.up import Artifacts
from loadtest.bench.control import Delivery


@with_json
def scale(
    clients: Annotated[
        str, typer.Option(metavar="N,N,…", help="Simulate FedFace with each of these numbers of clients.")
    ] = "10000,100000,1000000",
    changes: Annotated[
        str, typer.Option(metavar="N,N,…|none", help="Show what moves the walls of a round of each of these numbers.")
    ] = "100000",
    service_times: Annotated[
        Path | None,
        typer.Option(
            "--service-times", metavar="FILE", help="Figures to go by.", show_default="loadtest/scale/service_times.toml"
        ),
    ] = None,
    check: Annotated[
        str | None,
        typer.Option(metavar="N,N,…", help="Instead, measure rounds of so many no-op clients here, and compare."),
    ] = None,
    check_training: Annotated[
        str | None,
        typer.Option(
            metavar="N,N,…", help="Instead, or with --check too, measure rounds of so many clients that train, and compare."
        ),
    ] = None,
    artifacts: Annotated[
        Artifacts, typer.Option(help="With a check: artifacts in a directory or in an embedded S3 server.")
    ] = Artifacts.DIRECTORY,
    delivery: Annotated[
        Delivery, typer.Option(help="With a check: an update of each client, or one of all that a worker trains.")
    ] = Delivery.SINGLE,
    limit_seconds: Annotated[float, typer.Option(min=1, help="With a check: give a run up if it takes longer.")] = 600.0,
    plot_file: Annotated[Path | None, typer.Option("--plot", metavar="FILE", help="Plot to this PNG or PDF.")] = None,
) -> None:
    """Simulate rounds of up to a million clients on up to a thousand workers: where is the wall, and what moves it?

    Each call of ledger, broker and store that the services make waits at its server; times are those that were measured.
    """
    from fedface_cli.plain_console import talk_console
    from fedface_core.domain.errors import InvalidInputError
    from fedface_stack.signals import exit_on_termination
    from loadtest.bench.machine import this_machine
    from loadtest.bench.report import check_plot_file, print_report, show_table
    from loadtest.scale.compare import ComparisonReport, compare
    from loadtest.scale.compare import columns as compared_columns
    from loadtest.scale.report import columns, plot, scale_report
    from loadtest.scale.scenarios import growth, ladder, many_runs, simulated
    from loadtest.scale.service_times import FILE, ServiceTimes

    exit_on_termination()
    sizes = _parse("--clients", clients)
    changed_sizes = () if changes == "none" else _parse("--changes", changes)
    check_plot_file("--plot", plot_file)
    if plot_file is not None and not changed_sizes:
        raise InvalidInputError("--plot shows what changes bring: it needs --changes")
    times = ServiceTimes.read(service_times or FILE)
    console = talk_console()
    machine = this_machine()
    if check is not None or check_training is not None:
        no_op_sizes = _parse("--check", check) if check else ()
        training_sizes = _parse("--check-training", check_training) if check_training else ()
        with console.status("measuring and simulating"):
            compared = compare(no_op_sizes, training_sizes, delivery.value, artifacts.value, limit_seconds, times)
        title = f"rounds on this machine, {delivery.value} delivery, {artifacts.value}"
        show_table(console, title, compared_columns(compared), machine)
        print_report(ComparisonReport(machine=machine, rounds=tuple(compared)))
        return
    with console.status("simulating"):
        grown = [simulated(each, times) for each in growth(sizes)]
        changed = [[simulated(each, times) for each in ladder(size)] for size in changed_sizes]
        at_once = [simulated(each, times) for size in changed_sizes[-1:] for each in many_runs(size)]
    show_table(console, "FedFace as it is", columns(grown), machine)
    for outcomes in filter(None, (*changed, at_once)):
        show_table(console, "what moves the walls", columns(outcomes), machine)
    every = [*grown, *(each for outcomes in changed for each in outcomes), *at_once]
    print_report(scale_report(machine, every))
    if plot_file is not None:
        plot(grown, changed[-1], plot_file)


@with_json
def service_times() -> None:
    """Measure what calls of ledger, broker and store cost on this machine, and what clients and their updates take.

    The servers are its own. It prints TOML such as that in `loadtest/scale/service_times.toml`, which `fedface bench scale`
    goes by. A few pieces of work, which no command measures, are copied from there.
    """
    from datetime import UTC, datetime

    from fedface_cli.terminal import json_wanted, print_json, say
    from fedface_stack.signals import exit_on_termination
    from loadtest.bench.machine import this_machine
    from loadtest.bench.storage_figures import quiet_logs
    from loadtest.scale.measure_services import measure_services
    from loadtest.scale.measure_work import measure_work
    from loadtest.scale.service_times import ServiceTimes, as_toml

    exit_on_termination()
    machine = this_machine()
    source = f"fedface bench service-times, {datetime.now(UTC):%Y-%m-%d}: {machine}"
    with quiet_logs():
        measured = measure_services(source)
        work = measure_work(source)
    tables = measured | {"work": ServiceTimes.read().work | work}
    if json_wanted():
        print_json({table: {name: cost.model_dump() for name, cost in costs.items()} for table, costs in tables.items()})
        return
    for table, costs in tables.items():
        say(as_toml(table, costs))


def _parse(option: str, given: str) -> tuple[int, ...]:
    from fedface_core.domain.errors import InvalidInputError

    sizes = [int(size) if size.strip().isdecimal() else 0 for size in given.split(",")]
    if not all(1 <= size <= 1_000_000 for size in sizes):
        raise InvalidInputError(f"{option} {given!r}: give numbers of clients from 1 to 1,000,000, such as 1000,10000")
    return tuple(sorted(set(sizes)))
