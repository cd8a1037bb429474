"""What a shell offers for a word that is not whole yet, such as the id of a run. An error of any kind offers nothing.

Only words are offered that FedFace makes up itself. A shell evaluates what it is offered, and the name of a run, which
somebody wrote, could be a command.
"""

from __future__ import annotations

from typing import Any, Final

from fedface_core.domain.errors import FedFaceError

SECONDS: Final = 2.0
"""How long a person who has pressed the tabulator waits for an API that does not answer."""
_MOST_RUNS: Final = 50
_API_OPTIONS: Final = ("api_url", "profile", "ca_file")


def run_ids(ctx: Any, incomplete: str) -> list[tuple[str, str]]:
    """The ids of the newest runs that begin so, the newest first, each with its phase.

    The API is that of the options on the command line, as ``ctx`` has them, or of the surroundings.
    """
    from fedface_cli.arguments import is_run_id
    from fedface_cli.command_options import ApiOptions
    from fedface_cli.connection import connect

    given = {name: ctx.params.get(name) for name in _API_OPTIONS}
    try:
        with connect(ApiOptions(**given), timeout=SECONDS) as api:
            runs = api.runs(_MOST_RUNS).runs
    except (FedFaceError, OSError):
        return []
    return [(run.id, str(run.phase)) for run in runs if run.id.startswith(incomplete) and is_run_id(run.id)]


def phases(incomplete: str) -> list[str]:
    """The phases of runs that begin so."""
    from fedface_core.domain.run import RunPhase

    return [str(phase) for phase in RunPhase if phase.startswith(incomplete)]
