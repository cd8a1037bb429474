"""The local stack: broker, artifact store and all services as child processes, without Docker or root.

    with LocalStack(Path("work")) as stack:
        httpx.get(f"{stack.api_url}/v1/runs")

All processes listen on 127.0.0.1 only. Each service has a user of its own on the broker and, with S3, on the artifact store,
as the table of `fedface_core.access` says; their secrets are drawn at each start. No user of a service may do everything.
"""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from fedface_core.access.permissions import Identity
from fedface_core.access.redis_users import users_file
from fedface_core.access.secret_names import with_redis_user, with_s3_key
from fedface_core.contracts.tasks import CONTROL
from fedface_core.domain.errors import FedFaceError
from fedface_core.files.whole_file import make_folder
from fedface_core.signing.make_keys import make_keys, signing_key_file, trusted_keys_file
from fedface_stack.children import Children
from fedface_stack.embedded_servers import HOST, ProcessSpec, prometheus, responds_ok, seaweedfs, valkey
from fedface_stack.folder_lock import folder_locked
from fedface_stack.local_ports import check_port_is_free, ports_until_the_end
from fedface_stack.log_files import LogRotation, last_lines, start_anew

SERVICES = {
    "api": "fedface_control.api",
    "client": "fedface_client",
    "aggregator": "fedface_aggregator",
    "evaluator": "fedface_evaluator",
    "control": "fedface_control.worker",
}
IDENTITIES = {
    "api": Identity.CONTROL,
    "client": Identity.CLIENT,
    "aggregator": Identity.AGGREGATOR,
    "evaluator": Identity.EVALUATOR,
    "control": Identity.SWEEP,
}
ON_GPU = {f"{name}-gpu": name for name in ("client", "evaluator")}
"""The processes that a stack with a GPU has besides → the service of each. They take the tasks of plans for a GPU."""
CONSOLE = "console"
"""The process that serves the console, if it is asked for. It is no part of `SERVICES`: it reaches the API alone."""
JOBS = {"api": "control", "control": "sweep", "client": "client", "aggregator": "aggregator", "evaluator": "evaluator"}
"""The job of each service in Prometheus, as compose's alerts and dashboards name it."""
SIGNS_AS = {"api": CONTROL}
"""The process whose messages are signed with the key of another name. The API is a part of control."""
CLIENT_NICENESS = 5
_START_SECONDS = 240.0  # for a process that hangs, also on a busy machine; a process that ends is noticed at once
GRACE_SECONDS = 10.0  # for a worker to finish its present task or put it back into the queue
END_SECONDS = 10.0  # for a worker to end after that, on a busy machine
_LOG_TAIL_LINES = 20
_SERVER_GRACE_SECONDS = 20.0  # SeaweedFS needs 15


class StackError(FedFaceError):
    """A process of the local stack did not start, or ended by itself."""

    title = "Local stack"


class LocalStack:
    """A stack whose state is in ``workdir``. A stack that is started there later continues its runs.

    ``client_workers`` is the number of client worker processes, by default one a core. ``api_port`` 0 takes a free port.
    ``console_port`` is that of the console, which is left out if it is None; 0 takes a free port.
    ``logs`` is the folder of the log files, by default ``workdir/logs``. A long log is rotated: its older part is in
    ``NAME.log.1``. Plans may name files below the folders ``photographs``, by default below those of the environment's
    ``FEDFACE_PHOTOGRAPH_ROOTS``, if it is set. ``environment`` adds to the services' environment variables, for example
    ``{"FEDFACE_SWEEP_SECONDS": "0.5"}``. With a ``gpu`` there are workers for it too; `InvalidInputError` when they start if
    this machine has none.

    A started stack has ``api_url``, ``console_url`` (None without a console), ``environment`` (the environment variables of
    an operator, who may do everything in broker and store), ``service_environment`` (of the services, by name, what differs
    from that), ``metrics_targets`` (name of the process → host:port) and ``processes`` (name → process, whose id is also
    the id of its process group).
    """

    def __init__(
        self,
        workdir: Path,
        *,
        client_workers: int | None = None,
        api_port: int = 0,
        console_port: int | None = None,
        artifacts: Literal["directory", "s3"] = "directory",
        with_prometheus: bool = False,
        logs: Path | None = None,
        photographs: Sequence[Path] = (),
        environment: Mapping[str, str] | None = None,
        gpu: bool = False,
    ) -> None:
        # Not `Path.resolve`, which raises a RuntimeError for links in a circle; the lock reports them as other wrong paths.
        self.workdir = Path(os.path.realpath(workdir))
        self.logs = Path(os.path.realpath(logs or self.workdir / "logs"))
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.metrics_targets: dict[str, str] = {}
        self.environment: dict[str, str] = {}
        self.service_environment: dict[str, dict[str, str]] = {}
        self.api_url = ""
        self.console_url: str | None = None
        self.prometheus_url: str | None = None
        self._client_workers = client_workers or os.cpu_count() or 1
        self._api_port = api_port
        self._console_port = console_port
        self._artifacts = artifacts
        self._modules = SERVICES | ({name: SERVICES[service] for name, service in ON_GPU.items()} if gpu else {})
        self._with_prometheus = with_prometheus
        roots = {"FEDFACE_PHOTOGRAPH_ROOTS": json.dumps([str(folder.absolute()) for folder in photographs], allow_nan=False)}
        self._extra_environment = (roots if photographs else {}) | dict(environment or {})
        self._specs: dict[str, ProcessSpec] = {}
        self._children: Children
        self._log_rotation: LogRotation
        self._resources = ExitStack()

    def start(self, on_waiting: Callable[[Sequence[str]], None] | None = None) -> None:
        """Start all processes and return when all are ready.

        Meanwhile ``on_waiting`` is called again and again with the names of those that are not ready yet. If a process ends,
        the others are stopped, and a `StackError` names the process and shows the end of its log. `InvalidInputError` if
        another stack runs in the folder, if the port is taken, or if a server is not installed.
        """
        assert not self.processes, "the stack is running"
        # Two brokers would destroy each other's files.
        busy_message = f"another local stack runs in {self.workdir}: stop that one, or give another --workdir"
        self._resources.enter_context(folder_locked(self.workdir / "stack.lock", busy_message))
        try:
            make_folder(self.logs)
            make_keys(self.workdir / "keys")
            self._log_rotation = self._resources.enter_context(closing(LogRotation(self.logs)))
            self._children = self._resources.enter_context(closing(Children()))
            servers, services = self._process_specs()
            self._start_together(servers, on_waiting)  # the services connect to the servers when they start
            self._start_together(services, on_waiting)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop the services, then the servers. Each worker first finishes its present task or puts it back into the queue.

        Stopping a stack that does not run is no error.
        """
        try:
            self._stop([*SERVICES, *ON_GPU, CONSOLE], GRACE_SECONDS + END_SECONDS)
            self._stop(list(self.processes), _SERVER_GRACE_SECONDS)
        finally:  # also if a second Ctrl-C interrupts the wait
            self._resources.close()
            self.processes.clear()
            self._specs.clear()

    def ended(self) -> list[str]:
        """The names of processes that have ended although the stack was not stopped."""
        return [name for name, process in self.processes.items() if process.poll() is not None]

    def check(self) -> None:
        """Raise `StackError` if a process has ended by itself."""
        for name in self.ended():
            raise self._ended_error(name)

    def log_problem(self) -> str | None:
        """Why the logs of the running stack cannot be kept short; None if they can."""
        return self._log_rotation.problem

    def kill(self, name: str) -> None:
        """Kill one process and its worker processes (SIGKILL), as a crash would."""
        self._children.kill(self.processes[name])

    def restart(self, name: str) -> None:
        """Kill one process if it runs, start it again with its ports and state, and wait until it is ready."""
        self.begin_restart(name)
        self.wait_until_ready([name])

    def begin_restart(self, name: str, through: Sequence[str] = ()) -> None:
        """Kill one process if it runs, and start it again with its ports and state, without waiting until it is ready.

        ``through``: a module and its arguments. Python then runs this module, with the service's own as the last argument.
        """
        self.kill(name)
        spec = self._specs[name]
        self._start_process(replace(spec, command=(*spec.command[:-1], *through, spec.command[-1])))

    def is_ready(self, name: str) -> bool:
        """Whether a process can work now."""
        return self._specs[name].is_ready()

    def wait_until_ready(self, names: Sequence[str], on_waiting: Callable[[Sequence[str]], None] | None = None) -> None:
        """Return when all processes ``names`` are ready; call ``on_waiting`` meanwhile with those that are not.

        `StackError` if one of them ends, or is not ready after four minutes.
        """
        waiting = list(names)
        deadline = time.monotonic() + _START_SECONDS
        while waiting:
            if on_waiting is not None:
                on_waiting(waiting)
            waiting = [name for name in waiting if not self.is_ready(name)]
            for name in waiting:
                if self.processes[name].poll() is not None:
                    raise self._ended_error(name)
            if waiting and time.monotonic() > deadline:
                ends = "\n".join(f"the end of the log of {name}:\n{self.log_tail(name)}" for name in waiting)
                raise StackError(f"not ready after {_START_SECONDS:.0f} s: {', '.join(waiting)}\n{ends}")
            time.sleep(0.1)

    def log_tail(self, name: str) -> str:
        """The last lines of one process's log."""
        return "\n".join(last_lines(self.logs / f"{name}.log", _LOG_TAIL_LINES))

    def __enter__(self) -> Self:
        """Start the stack if it was not started before."""
        if not self.processes:
            self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop the stack."""
        self.stop()

    def _process_specs(self) -> tuple[list[ProcessSpec], list[ProcessSpec]]:
        """Draw ports and secrets, and describe the servers and the services with them."""
        ports = self._resources.enter_context(ports_until_the_end(15))  # as many as all options together take
        api_port = self._api_port or ports.pop()
        check_port_is_free(api_port, "--api-port")
        self.api_url = f"http://{HOST}:{api_port}"
        self.metrics_targets = {name: f"{HOST}:{ports.pop()}" for name in self._modules} | {"api": f"{HOST}:{api_port}"}

        secret = secrets.token_hex(24)
        broker_secrets = {identity: secrets.token_hex(24) for identity in with_redis_user()}
        broker_port = ports.pop()
        servers = [valkey(self.workdir, broker_port, secret, users_file(broker_secrets, operator_secret=secret))]
        own = {
            name: {"FEDFACE_REDIS_URL": f"redis://{identity}:{broker_secrets[identity]}@{HOST}:{broker_port}/0"}
            for name, identity in IDENTITIES.items()
        }
        store = {
            "FEDFACE_ARTIFACTS": "directory",
            "FEDFACE_ARTIFACT_DIRECTORY": str(self.workdir / "artifacts"),
        }
        if self._artifacts == "s3":
            s3_secret = secrets.token_hex(24)
            s3_ports = (ports.pop(), ports.pop(), ports.pop(), ports.pop())
            s3_secrets = {identity: secrets.token_hex(24) for identity in with_s3_key()}
            servers.append(seaweedfs(self.workdir, s3_ports, "operator", s3_secret, "fedface", s3_secrets))
            for name, identity in IDENTITIES.items():
                own[name] |= {"FEDFACE_S3_ACCESS_KEY": str(identity), "FEDFACE_S3_SECRET_KEY": s3_secrets[identity]}
            store = {
                "FEDFACE_ARTIFACTS": "s3",
                "FEDFACE_S3_ENDPOINT": f"{HOST}:{s3_ports[-1]}",
                "FEDFACE_S3_ACCESS_KEY": "operator",
                "FEDFACE_S3_SECRET_KEY": s3_secret,
                "FEDFACE_S3_BUCKET": "fedface",
            }
        self.environment = {
            **os.environ,
            **store,
            "FEDFACE_REDIS_URL": f"redis://operator:{secret}@{HOST}:{broker_port}/0",
            "FEDFACE_API_HOST": HOST,
            "FEDFACE_API_PORT": str(api_port),
            "FEDFACE_API_OPEN": "true",  # whoever has this machine has the stack
            "FEDFACE_METRICS_HOST": HOST,
            "FEDFACE_TRUSTED_KEYS_FILE": str(trusted_keys_file(self.workdir / "keys")),
            "FEDFACE_GRACE_SECONDS": f"{GRACE_SECONDS:g}",
            "OMP_NUM_THREADS": "1",  # one core for each worker process
            **self._extra_environment,
        }
        self.service_environment = own
        services = [self._service(name, module) for name, module in self._modules.items()]
        if self._with_prometheus:
            port = ports.pop()
            self.prometheus_url = f"http://{HOST}:{port}"
            services.append(prometheus(self.workdir, port, self._targets_of_jobs()))
        if self._console_port is not None:
            services.append(self._console(self._console_port or ports.pop()))
        return servers, services

    def _targets_of_jobs(self) -> dict[str, list[str]]:
        """What Prometheus scrapes. A worker for the GPU belongs to the job of its service, as in compose."""
        jobs: dict[str, list[str]] = {}
        for name, target in self.metrics_targets.items():
            jobs.setdefault(JOBS[ON_GPU.get(name, name)], []).append(target)
        return jobs

    def _service(self, name: str, module: str) -> ProcessSpec:
        target = self.metrics_targets[name]
        service = ON_GPU.get(name, name)
        environment = (
            self.service_environment[service]
            | {
                "FEDFACE_SIGNING_KEY_FILE": str(signing_key_file(self.workdir / "keys", SIGNS_AS.get(service, service))),
                "FEDFACE_METRICS_PORT": target.rsplit(":", 1)[1],
                "FEDFACE_METRICS_DIRECTORY": str(self.workdir / "metrics" / name),
                "FEDFACE_CONCURRENCY": str(self._client_workers if name == "client" else 1),  # and one process for a GPU
            }
            | ({"FEDFACE_DEVICE": "cuda"} if name in ON_GPU else {})
        )
        ready_url = f"{self.api_url}/readyz" if name == "api" else f"http://{target}/metrics"
        # If all cores are busy, clients yield to the other services, for which an operator may wait.
        low_priority = ("nice", "-n", str(CLIENT_NICENESS)) if name == "client" else ()
        # -P: a `redis.py` in the current folder is not imported in place of the library.
        command = (*low_priority, sys.executable, "-P", "-m", module)
        return ProcessSpec(name, command, lambda: responds_ok(ready_url), environment)

    def _console(self, port: int) -> ProcessSpec:
        check_port_is_free(port, "--console-port")
        self.console_url = f"http://{HOST}:{port}"
        ready_url = f"{self.console_url}/healthz"
        environment = {
            "FEDFACE_API_URL": self.api_url,
            "FEDFACE_CONSOLE_HOST": HOST,
            "FEDFACE_CONSOLE_PORT": str(port),
            # It gets none of the operator's secrets.
            "FEDFACE_REDIS_URL": "",
            "FEDFACE_S3_SECRET_KEY": "",
        }
        if self.prometheus_url is not None:
            environment["FEDFACE_PROMETHEUS_URL"] = self.prometheus_url
        command = (sys.executable, "-P", "-m", "fedface_console")
        return ProcessSpec(CONSOLE, command, lambda: responds_ok(ready_url), environment)

    def _start_together(
        self, specs: Sequence[ProcessSpec], on_waiting: Callable[[Sequence[str]], None] | None = None
    ) -> None:
        for spec in specs:
            start_anew(self.logs / f"{spec.name}.log")
            self._specs[spec.name] = spec
            self._start_process(spec)
        self.wait_until_ready([spec.name for spec in specs], on_waiting)

    def _start_process(self, spec: ProcessSpec) -> None:
        environment = {**self.environment, **spec.environment}
        log = self.logs / f"{spec.name}.log"
        self.processes[spec.name] = self._children.start(spec.command, environment, log, spec.directory)

    def _stop(self, names: Sequence[str], grace_seconds: float) -> None:
        processes = [self.processes.pop(name) for name in names if name in self.processes]
        if processes:
            self._children.stop(processes, grace_seconds)

    def _ended_error(self, name: str) -> StackError:
        status = self.processes[name].returncode
        return StackError(
            f"{name} ended with status {status}; the end of {self.logs / f'{name}.log'}:\n{self.log_tail(name)}"
        )
