"""Plan files before a run is made of them: begun, checked here and by an API, compared."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fedface_cli.plan_files import read_plan
from fedface_core.domain.plan.strategy import IN_PROCESS
from support.api_by_hand import ByHand
from support.command_line import Invoke
from support.fake_sign_in import KEY, FakeSignIn


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    path = tmp_path / "plan.toml"
    path.write_text("rounds = 3\n[split]\nclients = 4\n")
    return path


def test_a_plan_is_begun_and_not_overwritten(fedface: Invoke, tmp_path: Path) -> None:
    path = tmp_path / "orl.toml"
    code, out, err = fedface("plan", "init", str(path), "--preset", "orl")
    assert (code, out) == (0, f"{path} has the preset orl\n")
    assert err == f"change it, then: fedface plan check {path}\n"
    assert (read_plan(path).data.dataset, read_plan(path).rounds) == ("orl", 6)
    code, _, err = fedface("plan", "init", str(path))
    assert (code, err) == (2, f"error: {path} is there already: give another name, or --overwrite to replace it\n")
    assert fedface("plan", "init", str(path), "--overwrite")[0] == 0
    assert read_plan(path).data.dataset == "folder"
    assert fedface("plan", "init", str(path), "--preset", "orl", "--force")[0] == 0, "what it was called before"
    assert read_plan(path).data.dataset == "orl"


def test_a_plan_can_be_begun_on_standard_output(fedface: Invoke, tmp_path: Path) -> None:
    out = fedface("plan", "init", "-", "--preset", "synthetic")[1]
    (tmp_path / "new.toml").write_text(out)
    assert fedface("plan", "check", str(tmp_path / "new.toml"))[0] == 0


def test_a_plan_is_checked_here_without_an_api(fedface: Invoke, plan: Path) -> None:
    code, out, _ = fedface("plan", "check", str(plan), "--set", "strategy=fedavg")
    assert (code, out) == (
        0,
        f"{plan} is a plan: 3 rounds, 4 of 4 clients invited to each; fedavg, dlib-resnet from published weights, on orl\n",
    )
    document = json.loads(fedface("plan", "check", str(plan), "--json")[1])
    assert (document["valid"], document["plan"]["rounds"], document["cost"]) == (True, 3, None)


@pytest.mark.parametrize("strategy", sorted(IN_PROCESS - {"public-only"}))
def test_a_plan_that_no_services_carry_out_is_said_to_be_for_simulations(fedface: Invoke, plan: Path, strategy: str) -> None:
    code, out, _ = fedface("plan", "check", str(plan), "--set", f"strategy={strategy}")
    assert code == 0
    assert out.startswith(f"{plan} is a plan (for simulations only: fedface simulate): 3 rounds")


def test_a_wrong_field_is_named_with_what_was_meant(fedface: Invoke, plan: Path) -> None:
    plan.write_text("rouns = 3\nclients = 7\n[split]\nclients = -1\n")
    code, _, err = fedface("plan", "check", str(plan))
    assert code == 2
    assert err.splitlines() == [
        f"error: {plan} is not a plan:",
        "  split.clients: Input should be greater than 0",
        "  rouns: there is no such field; did you mean rounds?",
        "  clients: there is no such field; did you mean split.clients?",
    ]
    problem = json.loads(fedface("plan", "check", str(plan), "--json")[2])
    assert problem["detail"] == f"{plan} is not a plan"
    assert [wrong["field"] for wrong in problem["errors"]] == ["split.clients", "rouns", "clients"]


def test_a_plan_is_checked_by_an_api_that_is_named(
    fedface: Invoke, people: FakeSignIn, plan: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert fedface("plan", "check", str(plan))[0] == 0, "here, although FEDFACE_API_URL is set"
    monkeypatch.setenv("FEDFACE_TOKEN", KEY)
    people.believed[KEY] = ("key:nightly", ["operator"])
    code, out, _ = fedface("plan", "check", str(plan), "--api-url", people.url)
    assert code == 0
    assert out.startswith(f"{people.url} takes {plan}: 3 rounds")
    assert out.splitlines()[1:] == [
        *(
            "  steps: 2,400",
            "  multiplications: 3.4e+12",
            "  bytes up: 1e+09",
            "  bytes down: 2e+09",
            "  parameters: 5.6e+06",
        ),
    ]
    people.plan_errors = [{"field": "rounds", "message": "more than FEDFACE_PLAN_ROUNDS allows"}]
    code, out, err = fedface("plan", "check", str(plan), "--api-url", people.url)
    assert (code, out) == (2, "")
    assert err == f"error: {people.url} does not take {plan}:\n  rounds: more than FEDFACE_PLAN_ROUNDS allows\n"


def test_a_study_is_no_plan_and_says_how_to_run_it(fedface: Invoke, tmp_path: Path) -> None:
    study = Path(__file__).parents[3] / "docs/studies/small.toml"
    for words in (["plan", "check", str(study)], ["run", "create", str(study)], ["plan", "diff", str(study), str(study)]):
        code, _, err = fedface(*words)
        assert (code, err) == (
            2,
            f"error: {study} is a study, of many runs, and a plan is of one: fedface study run {study}\n",
        )


def test_two_plans_are_compared(fedface: Invoke, plan: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS")
    other = tmp_path / "other.toml"
    other.write_text('rounds = 5\nstrategy = "fedprox"\n[split]\nclients = 4\n')
    code, out, _ = fedface("plan", "diff", str(plan), str(other))
    assert code == 0
    assert [line.split() for line in out.splitlines()[1:]] == [
        ["strategy.name", "fedface", "fedprox"],
        ["rounds", "3", "5"],
        ["strategy.proximal", "–", "0.01"],
    ]
    assert fedface("plan", "diff", str(plan), str(plan))[1] == f"{plan} and {plan} are the same plan\n"


def test_a_plan_is_compared_with_that_of_a_run(fedface: Invoke, api: ByHand, plan: Path) -> None:
    run = api.created()
    document = json.loads(fedface("plan", "diff", str(plan), run, "--json")[1])
    differences = {row["field"]: (row["first"], row["second"]) for row in document["differences"]}
    assert differences["rounds"] == (3, 2)
    assert differences["name"] == ("fedface", "by hand")
