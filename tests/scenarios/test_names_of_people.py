"""Whatever is wrong with the photographs, no name, path or byte of them leaves the worker; its own log has what is needed.

Each case damages one data set in another way, and a run meets the damage as a client, a public or a test person does. Then
everything that somebody far away can read is searched: all objects, all messages, the ledger, the API and the metrics.
"""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import structlog
from fastapi.testclient import TestClient
from PIL import Image, PngImagePlugin
from prometheus_client import REGISTRY, CollectorRegistry, generate_latest

from fedface_control.api.app import create_app
from fedface_core.domain.ids import client_id
from fedface_core.domain.plan import Plan
from fedface_core.domain.run import ENDED, Run, RunPhase
from fedface_learning.data import open_photographs, split_identities
from support.in_process import InProcess
from support.open_sign_in import open_sign_in
from support.recordio import packed, with_identities, write_records
from support.tiny_run import SIDE, tiny_plan

PEOPLE = [f"Zebedee Quillfeather {letter}" for letter in "ABCDEFGHIJ"]
NAME = "Quillfeather"
PHOTOGRAPH = "portrait-of-grandmother"
SECRETS = (NAME, PHOTOGRAPH, "grandmother", "GPS-48.2N")
MAX_STEPS = 600

Damage = Callable[[Path], None]
"""Damages the photograph at a path."""


def write_people(folder: Path) -> Path:
    draws = np.random.default_rng(1)
    for person in PEOPLE:
        (folder / person).mkdir(parents=True)
        for number in range(2):
            pixels = draws.integers(0, 256, (SIDE, SIDE), np.uint8)
            Image.fromarray(pixels).save(folder / person / f"{PHOTOGRAPH}-{number}.png")
    return folder


def other_content(path: Path) -> None:
    path.write_bytes(b"GPS-48.2N is where grandmother lives, and this is no image")


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:50])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def too_deep(path: Path) -> None:
    Image.new("I;16", (SIDE, SIDE)).save(path)


def too_large(path: Path) -> None:
    header = struct.pack(">IIBBBBB", 50_000, 50_000, 8, 0, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + b"IHDR" + header + b"\0" * 4)


def a_wrong_chunk(path: Path) -> None:
    """Pillow's message quotes bytes of the file."""
    info = PngImagePlugin.PngInfo()
    info.add_text("Comment", "GPS-48.2N")
    Image.new("L", (SIDE, SIDE)).save(path, pnginfo=info)
    path.write_bytes(path.read_bytes().replace(b"IDAT", b"GPS-48.2N")[:80])


def gone(path: Path) -> None:
    path.unlink()


def a_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def a_link_to_nothing(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.with_name(f"{PHOTOGRAPH}-of-nobody.png"))


CONTENTS: list[Damage] = [other_content, cut_short, empty, too_deep, too_large, a_wrong_chunk]
EXCHANGES: list[Damage] = [gone, a_pipe, a_folder, a_link_to_nothing]
"""Which a listing of the tree notices. So they come after it, and some processes list it only then."""
ROLES = ("client", "public", "test")
each_role = pytest.mark.parametrize("role", ROLES)


def plan_of(folder: Path, **changes: Any) -> Plan:
    small = {"strategy": "public-negatives", "split": {"public": 2, "clients": 4, "test": 2}, "rounds": 1}
    return tiny_plan(folder, **(small | {"cohort": {"retries": 0, "attempts": 1}} | changes))


def person_in(plan: Plan, role: str) -> str:
    split = split_identities(open_photographs(plan).identities, plan.split)
    return {"client": split.clients, "public": split.public, "test": split.test}[role][1]


def run_through(services: InProcess, meanwhile: Callable[[], None]) -> tuple[Run, list[Any]]:
    """The run at its end, and what the services logged. As in a worker, an unexpected error drops the message.

    ``meanwhile`` is called when a client process has opened the data set, and has read the first client's photographs.
    """
    run_id = services.start()
    with structlog.testing.capture_logs() as records:
        for _ in range(MAX_STEPS):
            run = services.ports.ledger.load(run_id)
            if run.phase in ENDED:
                return run, records
            if run.round == 0 and services.ports.ledger.tally(run_id, 0).accepted == 1:
                meanwhile()
            try:
                services.step()
            except Exception as error:
                structlog.get_logger().error("task_failed", error=str(error))
    raise AssertionError("it goes on for ever")


def everything_told(services: InProcess, run: Run, messages: list[Any]) -> str:
    """All that can be read from afar, as one text."""
    ports = services.ports
    told = [ports.artifacts.get(key).decode("latin-1") for key in ports.artifacts.keys("")]
    told += [*ports.artifacts.keys(""), *(message.model_dump_json() for message in messages), run.model_dump_json()]
    told += [str(event) for event in ports.ledger.events(run.id)]
    for number in [None, *range((run.round or 0) + 1)]:
        told += [failure.model_dump_json() for failure in ports.ledger.failures(run.id, number)]
        if number is not None and run.round is not None:
            told += [json.dumps(dict(ports.ledger.failed(run.id, number))), str(ports.ledger.load_round(run.id, number))]
    with TestClient(create_app(ports, CollectorRegistry(), open_sign_in())) as api:
        told += [api.get(path).text for path in (f"/v1/runs/{run.id}", "/v1/runs", f"/v1/runs/{run.id}/rounds", "/metrics")]
    return "\n".join([*told, generate_latest(REGISTRY).decode()])


def check_nothing_is_told(
    services: InProcess, folder: Path, meanwhile: Callable[[], None] = lambda: None
) -> tuple[Run, str]:
    """Run the plan, search what is told, and return the run and what the log has."""
    messages: list[Any] = []
    deliver = services.deliver

    def noted(command: Any, correlation_id: str) -> None:
        messages.append(command)
        deliver(command, correlation_id)

    services.deliver = noted  # type: ignore[method-assign]
    run, records = run_through(services, meanwhile)
    told = everything_told(services, run, messages)
    assert [secret for secret in SECRETS if secret in told] == []
    assert f"{folder}/" not in told, "only the plan names the folder"
    return run, "\n".join(str(record) for record in records)


@each_role
@pytest.mark.parametrize("damage", [*CONTENTS, *EXCHANGES], ids=lambda damage: damage.__name__)
def test_no_damaged_photograph_tells_whose_it_is(tmp_path: Path, damage: Damage, role: str) -> None:
    folder = write_people(tmp_path / "faces")
    plan = plan_of(folder)
    services = InProcess(plan)
    photograph = folder / person_in(plan, role) / f"{PHOTOGRAPH}-1.png"
    undamaged = [damage] if damage in EXCHANGES else []

    def damage_once() -> None:
        if undamaged:
            undamaged.pop()(photograph)

    if damage in CONTENTS:
        damage(photograph)
    run, log = check_nothing_is_told(services, folder, damage_once)
    code = "photograph-unusable"
    if damage in EXCHANGES:
        assert (run.phase, str(run.failure)[-23:]) == (RunPhase.FAILED, "(code data-set-changed)"), "others list it anew"
    elif role == "client":
        assert run.phase is RunPhase.COMPLETED
    else:
        assert run.failure is not None
        assert run.failure.endswith(f"(code {code})")
    if role == "client":
        failed = services.manifest(run.id, 0).failed
        assert failed.keys() == {client_id(1)}
        assert failed[client_id(1)].endswith(f"(code {code})")
    if role == "client" or damage in CONTENTS:
        assert f"{photograph.parent.name}/{photograph.name}" in log, "who has the device can find it"


UNEXPECTED: dict[str, Exception] = {
    "an error of the system": FileNotFoundError(2, "No such file or directory", f"/data/{PEOPLE[0]}/{PHOTOGRAPH}.png"),
    "an error of a library": RuntimeError(f"cannot allocate for {PEOPLE[0]}"),
    "a key": KeyError(PEOPLE[0]),
    "an error with a cause": ValueError(f"{PHOTOGRAPH} is odd"),
}


@pytest.mark.parametrize("error", UNEXPECTED.values(), ids=UNEXPECTED)
@pytest.mark.parametrize(
    "function",
    [
        "fedface_learning.data.photographs.open_photograph",
        "fedface_client.make_update.training_update",
        "fedface_client.list_identities.list_identities_now",
        "fedface_aggregator.reduce.reduce",
        "fedface_aggregator.fold.fold",
        "fedface_aggregator.prepare.initial_model",
        "fedface_evaluator.evaluate.score",
    ],
)
def test_no_unexpected_error_tells_anything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, function: str, error: Exception
) -> None:
    folder = write_people(tmp_path / "faces")

    def fails(*_: Any, **__: Any) -> Any:
        raise error

    monkeypatch.setattr(function, fails)
    run, log = check_nothing_is_told(InProcess(plan_of(folder)), folder)
    assert run.phase is RunPhase.FAILED
    assert NAME in log or PHOTOGRAPH in log


def bad_labels(folder: Path) -> dict[str, str]:
    labels = folder.parent / "labels.txt"
    labels.write_text(f"{PEOPLE[0]}/{PHOTOGRAPH}-0.png,{PEOPLE[0]}\n{PEOPLE[0]}/{PHOTOGRAPH}-0.png,{PEOPLE[1]}\n")
    return {"labels": str(labels)}


def labels_with_control_characters(folder: Path) -> dict[str, str]:
    labels = folder.parent / "labels.txt"
    labels.write_text(f"{PEOPLE[0]}/{PHOTOGRAPH}-0.png\tZebedee \x1b Quillfeather\n")
    return {"labels": str(labels)}


def labels_of_others(folder: Path) -> dict[str, str]:
    labels = folder.parent / "labels.txt"
    labels.write_text(f"elsewhere/{PHOTOGRAPH}.png,{PEOPLE[0]}\n")
    return {"labels": str(labels)}


def a_list_that_is_none(folder: Path) -> dict[str, str]:
    listed = folder.parent / "damaged.csv"
    listed.write_bytes(NAME.encode() + b"\xff")
    return {"skip_damaged": str(listed)}


def a_name_that_is_not_unicode(folder: Path) -> dict[str, str]:
    (folder / os.fsdecode(f"{NAME}-\xe9".encode("latin-1"))).mkdir()
    return {}


def a_tree_that_is_too_deep(folder: Path) -> dict[str, str]:
    folder.joinpath(*[f"{NAME}-{level}" for level in range(20)]).mkdir(parents=True)
    return {}


def a_link_that_leads_out(folder: Path) -> dict[str, str]:
    (folder / PEOPLE[0] / f"{PHOTOGRAPH}-9.png").symlink_to("/etc/passwd")
    return {}


def one_photograph_each(folder: Path) -> dict[str, str]:
    for person in PEOPLE:
        (folder / person / f"{PHOTOGRAPH}-1.png").unlink()
    return {}


def broken_records(folder: Path) -> dict[str, str]:
    write_records(folder, with_identities([[f"{NAME} {n}".encode(), b"x"] for n in range(8)]))
    return {"dataset": "recordio"}


def odd_labels_in_records(folder: Path) -> dict[str, str]:
    write_records(folder, {number: packed(0.5, NAME.encode(), number) for number in range(1, 9)})
    return {"dataset": "recordio"}


def an_index_of_text(folder: Path) -> dict[str, str]:
    write_records(folder, {1: packed(1.0, b"x", 1)})
    (folder / "train.idx").write_text(f"{NAME}\n")
    return {"dataset": "recordio"}


LISTS = [
    *(bad_labels, labels_with_control_characters, labels_of_others, a_list_that_is_none, a_name_that_is_not_unicode),
    *(a_tree_that_is_too_deep, one_photograph_each, broken_records, odd_labels_in_records, an_index_of_text),
    a_link_that_leads_out,
]


@pytest.mark.parametrize("spoil", LISTS, ids=lambda spoil: spoil.__name__)
def test_no_data_set_that_cannot_be_opened_tells_who_is_in_it(
    tmp_path: Path, spoil: Callable[[Path], dict[str, str]]
) -> None:
    folder = write_people(tmp_path / "faces")
    services = InProcess(plan_of(folder, data=spoil(folder)), roots=[tmp_path])
    run, log = check_nothing_is_told(services, folder)
    assert run.phase is RunPhase.FAILED
    assert "(code " in str(run.failure)
    assert NAME in log or str(tmp_path) in log
