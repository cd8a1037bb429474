"""Each command of docs/api.md works, in the order of the page, from the token to the model."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from fedface_control.api.app import create_app
from fedface_core.domain.plan import Plan
from fedface_core.domain.run import RunPhase
from support.in_process import InProcess
from support.open_sign_in import open_sign_in
from support.required_parts import required_binary
from support.served_app import served

PAGE = (Path(__file__).parents[2] / "docs/api.md").read_text()
COMMANDS = re.findall(r"^\$ (.*)$", PAGE, re.MULTILINE)
(PLAN,) = re.findall(r"^```json\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def carry_out(services: InProcess) -> None:
    """Do the work of the other services, as soon as a run is started."""
    for _ in range(1000):
        started = [run for run in services.ports.ledger.runs() if run.phase is RunPhase.PREPARING]
        if started:
            services.to_end(started[0].id)
            return
        time.sleep(0.02)


def script(url: str) -> str:
    """The page's commands against the API at ``url``. Number n prints to the file n.out."""
    commands = [
        f"export FEDFACE_API_URL={url}" if command.startswith("export FEDFACE_API_URL=") else command for command in COMMANDS
    ]
    return "\n".join(["set -euo pipefail", *(f"{{ {command}; }} > {number}.out" for number, command in enumerate(commands))])


@pytest.mark.slow
def test_the_commands_of_the_page_lead_from_the_token_to_the_model(tmp_path: Path) -> None:
    required_binary("curl", "curl", "curl")
    services = InProcess(Plan.model_validate_json(PLAN))
    (tmp_path / "plan.json").write_text(PLAN)
    with served(create_app(services.ports, CollectorRegistry(), open_sign_in())) as url:
        workers = threading.Thread(target=carry_out, args=(services,))
        workers.start()
        command = ["bash", "-c", script(url)]
        environment = {"PATH": os.environ["PATH"], "NO_PROXY": "*", "LC_ALL": "C.UTF-8"}
        ended = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=100
        )
        workers.join()
    printed = {command: (tmp_path / f"{number}.out").read_text() for number, command in enumerate(COMMANDS)}
    assert ended.returncode == 0, f"{ended.stderr}\n{printed}"

    def answer(path: str) -> dict[str, Any]:
        """The JSON that the one command printed whose address ends so."""
        (found,) = (text for command, text in printed.items() if command.endswith(f'{path}"'))
        body: dict[str, Any] = json.loads(found)
        return body

    assert answer("/v1/plans:check")["valid"] is True
    assert answer("/start")["phase"] == "preparing"
    assert [shown["number"] for shown in answer("/rounds?limit=2")["rounds"]] == [0, 1]
    assert [shown["number"] for shown in answer("/rounds?limit=2&after=1")["rounds"]] == [2]
    assert answer("/rounds/2/report")["round"] == 2
    model = (tmp_path / "model.safetensors").read_bytes()
    run = json.loads((tmp_path / "run.json").read_text())
    assert answer("/card")["made_by"][0]["run_id"] == run["id"]
    assert hashlib.sha256(model).hexdigest() == answer("/card")["sha256"]
    assert answer("/models/$SHA256")["size"] == len(model)
    again = tmp_path / "newer.safetensors"
    assert not again.exists() or again.stat().st_size == 0, "there was no newer model"
    assert answer("?confirm=${RUN##*/}")["phase"] == "deleting"
