"""The local stack with a real Valkey and stand-ins for the services: how it starts, fails, and leaves nothing behind."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from contextlib import chdir
from pathlib import Path

import httpx
import pytest
import redis

from fedface_core.domain.errors import InvalidInputError
from fedface_stack import stack as stack_module
from fedface_stack.log_files import rotate_if_long
from fedface_stack.stack import LocalStack, StackError
from support.process_groups import group_members, have_ended


def test_a_started_stack_answers_everywhere(stack: LocalStack) -> None:
    assert set(stack.processes) == {"valkey", "api", "client"}
    assert stack.metrics_targets["api"] == stack.api_url.removeprefix("http://")
    for target in stack.metrics_targets.values():
        assert httpx.get(f"http://{target}/metrics", trust_env=False).text == "1"  # one core to a worker process
    assert stack.ended() == []
    stack.check()


def test_workers_put_back_what_they_cannot_finish_before_the_stack_kills_them(stack: LocalStack) -> None:
    assert float(stack.environment["FEDFACE_GRACE_SECONDS"]) == stack_module.GRACE_SECONDS
    assert stack_module.END_SECONDS >= 5.0


@pytest.mark.slow
def test_the_data_of_the_broker_survive_a_restart(tmp_path: Path, stand_in_environment: dict[str, str]) -> None:
    for expected in (None, b"kept"):
        with (
            LocalStack(tmp_path / "work", environment=stand_in_environment) as stack,
            redis.Redis.from_url(stack.environment["FEDFACE_REDIS_URL"]) as client,
        ):
            assert client.get("a run") == expected
            client.set("a run", "kept")


def test_stopping_leaves_no_process(stack: LocalStack) -> None:
    groups = [process.pid for process in stack.processes.values()]
    assert len(group_members(*groups)) == 5  # each service has a child process
    stack.stop()
    assert have_ended(*groups)
    stack.stop()


def test_a_service_that_cannot_start_is_named_with_its_log(tmp_path: Path, stand_in_environment: dict[str, str]) -> None:
    stack = LocalStack(tmp_path / "work", environment={**stand_in_environment, "STAND_IN_BREAKS": "client"})
    with pytest.raises(StackError, match=r"(?s)client ended with status 1.*client\.log.*this service cannot start"):
        stack.start()
    assert stack.processes == {}


def test_a_service_that_dies_later_is_found(stack: LocalStack) -> None:
    os.kill(stack.processes["client"].pid, signal.SIGKILL)
    stack.processes["client"].wait()
    assert stack.ended() == ["client"]
    with pytest.raises(StackError, match="client ended with status -9"):
        stack.check()


def test_one_service_can_be_killed_whole_and_started_again(stack: LocalStack) -> None:
    first = stack.processes["client"].pid
    stack.kill("client")
    assert have_ended(first)
    stack.restart("client")
    assert stack.processes["client"].pid != first
    assert httpx.get(f"http://{stack.metrics_targets['client']}/metrics", trust_env=False).status_code == 200
    stack.check()


def test_a_restart_need_not_be_waited_for(stack: LocalStack) -> None:
    first = stack.processes["client"].pid
    stack.begin_restart("client")
    assert stack.processes["client"].pid != first
    assert have_ended(first)
    stack.wait_until_ready(["client"])
    assert httpx.get(f"http://{stack.metrics_targets['client']}/metrics", trust_env=False).status_code == 200


def test_a_service_can_be_started_again_through_another_module(stack: LocalStack, tmp_path: Path) -> None:
    wrapper = "import runpy, sys\nprint(*sys.argv[1:], flush=True)\nrunpy.run_module(sys.argv[-1], run_name='__main__')"
    (tmp_path / "wrapper.py").write_text(wrapper)
    stack.begin_restart("client", ("wrapper", "17"))
    stack.wait_until_ready(["client"])
    assert stack.log_tail("client").count("17 stand_in") == 1
    stack.restart("client")
    assert stack.log_tail("client").count("17 stand_in") == 1, "it is started without the module again"


def test_a_directory_has_one_stack(stack: LocalStack, stand_in_environment: dict[str, str]) -> None:
    with pytest.raises(InvalidInputError, match="another local stack runs in"):
        LocalStack(stack.workdir, environment=stand_in_environment).start()
    stack.check()


@pytest.mark.parametrize("process", ["api", "console"])
def test_a_taken_port_is_refused(process: str, tmp_path: Path, stand_in_environment: dict[str, str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        ports = {"api_port": 0, "console_port": 0} | {f"{process}_port": port}
        with pytest.raises(InvalidInputError, match=rf"port {port} .* choose another with --{process}-port"):
            LocalStack(tmp_path / "work", environment=stand_in_environment, **ports).start()


def test_an_owner_that_is_killed_leaves_no_process(tmp_path: Path, stand_in_environment: dict[str, str]) -> None:
    owner = f"""
import sys, time
from pathlib import Path
from fedface_stack import stack
stack.SERVICES = {{"api": "stand_in", "client": "stand_in"}}
started = stack.LocalStack(Path({str(tmp_path / "work")!r}), environment={stand_in_environment!r})
started.start()
print(*[process.pid for process in started.processes.values()], flush=True)
time.sleep(600)
"""
    with subprocess.Popen([sys.executable, "-c", owner], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        groups = [int(pid) for pid in process.stdout.readline().split()]
        assert len(group_members(*groups)) == 5
        process.kill()
    assert have_ended(*groups)


def test_a_file_of_the_current_folder_is_not_taken_for_a_library(
    tmp_path: Path, stand_in_environment: dict[str, str]
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for name in ("http", "signal", "redis", "queue"):
        (elsewhere / f"{name}.py").write_text("raise SystemExit('this is not the library')")
    with chdir(elsewhere), LocalStack(tmp_path / "work", environment=stand_in_environment) as stack:
        stack.check()
    assert "not the library" not in stack.log_tail("client")


def test_the_last_lines_of_a_log_are_found_though_it_was_just_rotated(stack: LocalStack) -> None:
    log = stack.logs / "client.log"
    with log.open("a") as file:
        file.write("why it ended\n")
    rotate_if_long(log, most_bytes=5)
    assert stack.log_tail("client").endswith("why it ended")


def test_there_are_ports_for_all_options_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda *_, **__: "/bin/false")  # so that no server starts for long
    with pytest.raises(StackError, match="s3 ended with status 1"):
        LocalStack(tmp_path / "work", artifacts="s3", console_port=0, with_prometheus=True, gpu=True).start()


def test_prometheus_scrapes_a_service_with_and_without_a_gpu_as_one_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.which", lambda *_, **__: "/bin/false")
    stack = LocalStack(tmp_path / "work", artifacts="s3", with_prometheus=True, gpu=True)
    with pytest.raises(StackError, match="s3 ended with status 1"):  # by then it is written what Prometheus scrapes
        stack.start()
    settings = json.loads((tmp_path / "work" / "prometheus" / "prometheus.yml").read_text())
    scraped = {job["job_name"]: job["static_configs"][0]["targets"] for job in settings["scrape_configs"]}
    targets = stack.metrics_targets
    assert scraped == {
        "control": [targets["api"]],
        "sweep": [targets["control"]],
        "client": [targets["client"], targets["client-gpu"]],
        "aggregator": [targets["aggregator"]],
        "evaluator": [targets["evaluator"], targets["evaluator-gpu"]],
    }


def test_the_folders_of_photographs_are_the_services_roots(
    tmp_path: Path, stand_in_environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FEDFACE_PHOTOGRAPH_ROOTS", "/of-the-environment")
    monkeypatch.chdir(tmp_path)
    odd = tmp_path / "a:b"
    with LocalStack(tmp_path / "one", photographs=[odd, Path("c")], environment=stand_in_environment) as stack:
        assert json.loads(stack.environment["FEDFACE_PHOTOGRAPH_ROOTS"]) == [str(odd), str(tmp_path / "c")]
    with LocalStack(tmp_path / "two", environment=stand_in_environment) as stack:
        assert stack.environment["FEDFACE_PHOTOGRAPH_ROOTS"] == "/of-the-environment"
