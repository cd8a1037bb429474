"""The local stack: broker, artifact store and all services as child processes, without Docker or root.

    with LocalStack(Path("work")) as stack:
        httpx.get(f"{stack.api_url}/runs")

Everything listens on 127.0.0.1 only; the broker asks for a secret that is drawn at each start.
"""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from fedface_core.domain.errors import FedFaceError
from fedface_stack.children import Children
from fedface_stack.embedded_servers import HOST, Part, answers, prometheus, seaweedfs, valkey
from fedface_stack.folder_lock import folder_locked
from fedface_stack.local_ports import free_ports, refuse_taken

SERVICES = {
    "api": "fedface_control.api",
    "client": "fedface_client",
    "aggregator": "fedface_aggregator",
    "evaluator": "fedface_evaluator",
    "control": "fedface_control.worker",
}
CLIENT_NICENESS = 5
_START_SECONDS = 600.0  # a process that ends is noticed at once; this is for one that hangs, on however busy a machine
GRACE_SECONDS = 10.0  # a worker finishes the task in hand, or puts it back into the queue
END_SECONDS = 10.0  # and then ends; on a busy machine that takes a while
_SERVER_GRACE_SECONDS = 20.0  # SeaweedFS takes 15


class StackError(FedFaceError):
    """A process of the local stack did not start, or ended by itself."""

    title = "Local stack"


class LocalStack:
    """A stack in ``workdir``, which holds its state: start it there again and it goes on where it was.

    ``api_port`` 0 takes a free port; ``client_workers`` is one a core by default; ``logs`` is ``workdir/logs`` by default.
    ``environment`` adds to what the services see, such as ``{"FEDFACE_SWEEP_SECONDS": "0.5"}``.

    Once started, there are ``api_url``, ``environment`` (what the services see), ``metrics_targets`` (job → host:port) and
    ``processes`` (name → process, whose id is also its process group).
    """

    def __init__(
        self,
        workdir: Path,
        *,
        client_workers: int | None = None,
        api_port: int = 0,
        artifacts: Literal["directory", "s3"] = "directory",
        with_prometheus: bool = False,
        logs: Path | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.workdir = workdir.resolve()
        self.logs = (logs or self.workdir / "logs").resolve()
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.metrics_targets: dict[str, str] = {}
        self.environment: dict[str, str] = {}
        self.api_url = ""
        self.prometheus_url: str | None = None
        self._client_workers = client_workers or os.cpu_count() or 1
        self._api_port = api_port
        self._artifacts = artifacts
        self._with_prometheus = with_prometheus
        self._extra_environment = dict(environment or {})
        self._parts: dict[str, Part] = {}
        self._children: Children
        self._held = ExitStack()

    def start(self, waiting_for: Callable[[Sequence[str]], None] | None = None) -> None:
        """Start everything and return once all of it can work; ``waiting_for`` hears the names that are not ready yet.

        `StackError` names a process that ended instead, with the end of its log; the others are then stopped.
        """
        assert not self.processes, "the stack is running"
        # Two brokers on the same files would ruin them.
        busy = f"another local stack runs in {self.workdir}: stop that one, or give another --workdir"
        self._held.enter_context(folder_locked(self.workdir / "stack.lock", busy))
        try:
            self.logs.mkdir(parents=True, exist_ok=True)
            self._children = self._held.enter_context(closing(Children()))
            servers, services = self._plan()
            self._start_together(servers, waiting_for)  # the services look for them as soon as they start
            self._start_together(services, waiting_for)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop the services, each finishing the task in hand, then the servers they need. No error where nothing runs."""
        try:
            self._stop(list(SERVICES), GRACE_SECONDS + END_SECONDS)
            self._stop(list(self.processes), _SERVER_GRACE_SECONDS)
        finally:  # also when a second Ctrl-C ends the patience
            self._held.close()
            self.processes.clear()
            self._parts.clear()

    def ended(self) -> list[str]:
        """The names of processes that ended, though nobody stopped the stack."""
        return [name for name, process in self.processes.items() if process.poll() is not None]

    def check(self) -> None:
        """`StackError` where a process has ended by itself."""
        for name in self.ended():
            raise self._has_ended(name)

    def kill(self, name: str) -> None:
        """Kill one process with its worker processes (SIGKILL), as a crash would."""
        self._children.kill(self.processes[name])

    def restart(self, name: str) -> None:
        """Start one process again, with the same ports and state, killing it first where it runs; wait until it is ready."""
        self.begin_restart(name)
        self.wait_until_ready([name])

    def begin_restart(self, name: str) -> None:
        """The same without the wait, for whoever has more to do meanwhile."""
        self.kill(name)
        self._launch(self._parts[name])

    def wait_until_ready(self, names: Sequence[str], waiting_for: Callable[[Sequence[str]], None] | None = None) -> None:
        """Return once all of ``names`` can work. `StackError` names one that ended instead, or that hangs."""
        waiting = list(names)
        deadline = time.monotonic() + _START_SECONDS
        while waiting:
            if waiting_for is not None:
                waiting_for(waiting)
            waiting = [name for name in waiting if not self._parts[name].is_ready()]
            for name in waiting:
                if self.processes[name].poll() is not None:
                    raise self._has_ended(name)
            if waiting and time.monotonic() > deadline:
                name = waiting[0]
                raise StackError(
                    f"{name} is not ready after {_START_SECONDS:.0f} s; the end of its log:\n{self.log_tail(name)}"
                )
            time.sleep(0.1)

    def log_tail(self, name: str, lines: int = 20) -> str:
        """The end of one process's log."""
        return "\n".join((self.logs / f"{name}.log").read_text(errors="replace").splitlines()[-lines:])

    def __enter__(self) -> Self:
        """Start it, unless that was done."""
        if not self.processes:
            self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop it."""
        self.stop()

    def _plan(self) -> tuple[list[Part], list[Part]]:
        """Draw ports and secrets; say what to start, servers first."""
        ports = free_ports(11)
        api_port = self._api_port or ports.pop()
        refuse_taken(api_port)
        self.api_url = f"http://{HOST}:{api_port}"
        self.metrics_targets = {name: f"{HOST}:{ports.pop()}" for name in SERVICES} | {"api": f"{HOST}:{api_port}"}

        secret, broker_port = secrets.token_hex(24), ports.pop()
        servers = [valkey(self.workdir, broker_port, secret)]
        store = {
            "FEDFACE_ARTIFACTS": "directory",
            "FEDFACE_ARTIFACT_DIRECTORY": str(self.workdir / "artifacts"),
        }
        if self._artifacts == "s3":
            s3_secret, s3_ports = secrets.token_hex(24), (ports.pop(), ports.pop(), ports.pop(), ports.pop())
            servers.append(seaweedfs(self.workdir, s3_ports, "fedface", s3_secret, "fedface"))
            store = {
                "FEDFACE_ARTIFACTS": "s3",
                "FEDFACE_S3_ENDPOINT": f"{HOST}:{s3_ports[-1]}",
                "FEDFACE_S3_ACCESS_KEY": "fedface",
                "FEDFACE_S3_SECRET_KEY": s3_secret,
                "FEDFACE_S3_BUCKET": "fedface",
            }
        self.environment = {
            **os.environ,
            **store,
            "FEDFACE_REDIS_URL": f"redis://:{secret}@{HOST}:{broker_port}/0",
            "FEDFACE_API_HOST": HOST,
            "FEDFACE_API_PORT": str(api_port),
            "FEDFACE_METRICS_HOST": HOST,
            "FEDFACE_GRACE_SECONDS": f"{GRACE_SECONDS:g}",
            "OMP_NUM_THREADS": "1",  # one core to a worker process; as many processes as cores
            **self._extra_environment,
        }
        services = [self._service(name, module) for name, module in SERVICES.items()]
        if self._with_prometheus:
            port = ports.pop()
            self.prometheus_url = f"http://{HOST}:{port}"
            services.append(prometheus(self.workdir, port, self.metrics_targets))
        return servers, services

    def _service(self, name: str, module: str) -> Part:
        target = self.metrics_targets[name]
        environment = {
            "FEDFACE_METRICS_PORT": target.rsplit(":", 1)[1],
            "FEDFACE_METRICS_DIRECTORY": str(self.workdir / "metrics" / name),
            "FEDFACE_CONCURRENCY": str(self._client_workers if name == "client" else 1),
        }
        ready_url = f"{self.api_url}/readyz" if name == "api" else f"http://{target}/metrics"
        # Where all cores are busy, the clients yield to the services, which somebody waits for.
        yielding = ("nice", "-n", str(CLIENT_NICENESS)) if name == "client" else ()
        return Part(name, (*yielding, sys.executable, "-m", module), lambda: answers(ready_url), environment)

    def _start_together(self, parts: Sequence[Part], waiting_for: Callable[[Sequence[str]], None] | None = None) -> None:
        for part in parts:
            (self.logs / f"{part.name}.log").write_bytes(b"")  # of this stack, not of the one that ran here before
            self._parts[part.name] = part
            self._launch(part)
        self.wait_until_ready([part.name for part in parts], waiting_for)

    def _launch(self, part: Part) -> None:
        environment = {**self.environment, **part.environment}
        self.processes[part.name] = self._children.start(part.command, environment, self.logs / f"{part.name}.log")

    def _stop(self, names: Sequence[str], grace_seconds: float) -> None:
        processes = [self.processes.pop(name) for name in names if name in self.processes]
        if processes:
            self._children.stop(processes, grace_seconds)

    def _has_ended(self, name: str) -> StackError:
        status = self.processes[name].returncode
        return StackError(
            f"{name} ended with status {status}; the end of {self.logs / f'{name}.log'}:\n{self.log_tail(name)}"
        )
