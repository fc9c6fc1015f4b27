import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from config.conf import ConfigSettings
from config.supervisor import Program, Supervisor


@pytest.fixture
def supervise(tmp_path: Path) -> Iterator[Callable[..., Supervisor]]:
    started: list[Supervisor] = []

    def start(*programs: Program, **limits: float) -> Supervisor:
        supervisor = Supervisor(
            programs=programs,
            environment=dict(os.environ),
            logs=tmp_path / "logs",
            folder=tmp_path,
            limits=ConfigSettings(**{"restart_wait_seconds": 0.05, "stop_timeout_seconds": 5.0, **limits}),  # type: ignore[arg-type]
        )
        started.append(supervisor)
        supervisor.start()
        return supervisor

    yield start
    for supervisor in started:
        supervisor.stop()
