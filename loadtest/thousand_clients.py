"""Many clients whose training is a no-op: what is left is the broker, the ledger, the store and the services themselves.

    python -m loadtest.thousand_clients --clients 1000 --json thousand.json

Starts a local stack in a temporary directory, runs enrolment and two rounds with every client in the cohort, and reports
updates per second of each round, the API's latency meanwhile, and the peak memory of each process of the stack.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from fedface_cli.api_client import ControlApi
from fedface_cli.plan_files import make_part
from fedface_cli.stack import LocalStack
from fedface_core.contracts.http import RoundView
from fedface_core.domain.errors import FedFaceError
from fedface_core.domain.plan import Plan
from fedface_core.domain.run import ENDED, RunPhase
from loadtest.plans import no_op_plan
from loadtest.probes import ApiLatency, PeakMemory

ROUNDS = 2


class RunDidNotCompleteError(FedFaceError):
    """The run failed, or took longer than it was given."""


def measure(stack: LocalStack, plan: Plan, limit_seconds: float) -> dict[str, Any]:
    """Run the plan on a running stack to its end, and report what it took."""
    with ControlApi(stack.api_url) as api:
        run_id = api.create(plan).id
        paths = (f"/runs/{run_id}", "/runs", f"/runs/{run_id}/rounds")
        processes = {name: process.pid for name, process in stack.processes.items()}
        with ApiLatency(stack.api_url, paths) as latency, PeakMemory(processes) as memory:
            started = time.monotonic()
            api.start(run_id)
            while (run := api.run(run_id)).phase not in ENDED:
                stack.check()
                if time.monotonic() - started > limit_seconds:
                    raise RunDidNotCompleteError(f"the run took more than {limit_seconds:.0f} s; it is in round {run.round}")
                time.sleep(0.5)
            seconds = time.monotonic() - started
        if run.phase is not RunPhase.COMPLETED:
            raise RunDidNotCompleteError(f"the run is {run.phase}: {run.failure}")
        rounds = api.rounds(run_id).rounds
        assert run.started_at is not None, "a completed run has started"
        return {
            "clients": plan.split.clients,
            "seconds": round(seconds, 1),
            "preparing_seconds": round((rounds[0].opened_at - run.started_at).total_seconds(), 2),
            "rounds": [round_figures(view) for view in rounds],
            "api_latency_ms": {"requests": len(latency.seconds), **latency.percentiles_ms()},
            "peak_rss_mib": {name: round(peak / 2**20, 1) for name, peak in memory.peak_bytes.items()},
        }


def round_figures(view: RoundView) -> dict[str, Any]:
    """A round's updates, and how many were taken each second while it was open."""
    assert view.closed_at is not None, "a completed run has closed every round"
    assert view.finished_at is not None, "and finished it"
    open_seconds = (view.closed_at - view.opened_at).total_seconds()
    return {
        "round": view.number,
        "accepted": view.accepted,
        "failed": len(view.failed),
        "open_seconds": round(open_seconds, 2),
        "updates_per_second": round(view.accepted / open_seconds, 1),
        "closing_seconds": round((view.finished_at - view.closed_at).total_seconds(), 2),
    }


def show(report: dict[str, Any], console: Console) -> None:
    """The report as tables."""
    rounds = Table(
        title=f"{report['clients']} clients, {report['seconds']} s in all, {report['preparing_seconds']} s of it preparing"
    )
    for column in ("round", "accepted", "failed", "open s", "updates/s", "aggregate and evaluate s"):
        rounds.add_column(column, justify="right")
    for figures in report["rounds"]:
        rounds.add_row(*(str(figure) for figure in figures.values()))
    console.print(rounds)
    latency = report["api_latency_ms"]
    console.print(
        f"API latency over {latency['requests']} requests: "
        f"p50 {latency['p50']} ms, p95 {latency['p95']} ms, p99 {latency['p99']} ms"
    )
    memory = Table(title="peak resident memory, with worker processes")
    memory.add_column("process")
    memory.add_column("MiB", justify="right")
    for name, mebibytes in report["peak_rss_mib"].items():
        memory.add_row(name, str(mebibytes))
    console.print(memory)


def main() -> int:
    """Parse the command line, run, report; exit status 1 where the run did not complete."""
    parser = argparse.ArgumentParser(prog="python -m loadtest.thousand_clients", description=__doc__.splitlines()[0])
    parser.add_argument("--clients", type=int, default=1000)
    parser.add_argument("--artifacts", choices=("directory", "s3"), default="directory")
    parser.add_argument("--limit-seconds", type=float, default=900.0, help="give up after this long")
    parser.add_argument("--json", type=Path, help="write the report there, too")
    options = parser.parse_args()
    if options.json is not None and not options.json.parent.is_dir():  # found out now, not after minutes of load
        parser.error(f"--json {options.json}: there is no directory {options.json.parent}")
    console = Console()
    try:
        plan = make_part(Plan, no_op_plan(options.clients, ROUNDS, options.limit_seconds))
        with (
            tempfile.TemporaryDirectory(prefix="fedface-load-") as workdir,
            LocalStack(Path(workdir), artifacts=options.artifacts) as stack,
        ):
            report = measure(stack, plan, options.limit_seconds)
    except FedFaceError as error:
        console.print(f"[red]{error}[/red]")
        return 1
    show(report, console)
    if options.json is not None:
        options.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
