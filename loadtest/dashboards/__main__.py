"""``python -m loadtest.dashboards [FOLDER]``: a picture of each dashboard, from a run to which known things happen."""

from __future__ import annotations

import re
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from fedface_cli.plain_console import PlainConsole
from fedface_core.domain.errors import FedFaceError
from fedface_core.files.whole_file import make_folder
from loadtest.dashboards.dashboard_files import DEPLOY, dashboards
from loadtest.dashboards.draw import Window, draw
from loadtest.dashboards.eventful_run import Watched, eventful_run

FOLDER: Final = Path("dashboard-pictures")


def alert_expressions() -> dict[str, str]:
    """Each alert of deploy/prometheus/alerts.yml and its expression."""
    text = (DEPLOY / "prometheus/alerts.yml").read_text(encoding="utf-8")
    found = re.findall(r"- alert: (\w+)\n(?: +#.*\n)* +expr: (.*(?:\n {10,}.*)*)\n", text)
    return {name: " ".join(expression.removeprefix(">-").split()) for name, expression in found}


def draw_all(watched: Watched, folder: Path, variables: Mapping[str, str]) -> dict[Path, list[str]]:
    """Draw every dashboard into a folder. Returns for each picture the titles of the panels without data."""
    make_folder(folder)
    window = Window(watched.started, time.time(), variables)
    pictures = {folder / f"{name}.png": dashboard for name, dashboard in dashboards().items()}
    return {file: draw(dashboard, watched.prometheus, window, file) for file, dashboard in pictures.items()}


def main(arguments: list[str]) -> int:
    """Draw the dashboards into the folder. The status is 0, or 1 with what went wrong."""
    console = PlainConsole()
    folder = Path(arguments[0]) if arguments else FOLDER
    try:
        with tempfile.TemporaryDirectory() as home, eventful_run(Path(home), alert_expressions()) as watched:
            variables = {"run": watched.run, "console": "http://127.0.0.1:8080"}
            for file, empty in draw_all(watched, folder, variables).items():
                console.print(f"{file}: {len(empty)} panels without data {', '.join(empty)}")
    except FedFaceError as error:
        console.print(f"error: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
