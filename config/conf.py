"""Settings of how Longhaul is started and watched: processes, broker, demonstration.

What a shell expands in the Procfile (HOST, PORT, FLOWER_PORT, …_CONCURRENCY) is listed in `STARTING`, so that
`manage.py doctor` can show it.
"""

from pydantic import BaseModel, ConfigDict, Field

from outbox.conf import Scaled, read_settings

# Variables without the LONGHAUL_ prefix that the Procfile reads, with the default written there.
STARTING = {
    "HOST": "127.0.0.1",
    "PORT": "8000",
    "FLOWER_HOST": "127.0.0.1",
    "FLOWER_PORT": "5555",
    "WORKER_CONCURRENCY": "2",
    "LLM_CONCURRENCY": "8",
    "RELAY_CONCURRENCY": "4",
}


class ConfigSettings(BaseModel):
    model_config = ConfigDict(frozen=True)

    redis_port: int = Field(
        0, ge=0, le=65_535, description="port of the embedded Redis; 0: a free one, then kept"
    )
    ready_timeout_seconds: float = Field(
        90.0, gt=0, description="how long `up` waits until every process answers"
    )
    stop_timeout_seconds: float = Field(15.0, gt=0, description="after SIGTERM, until a process is killed")
    restart_wait_seconds: Scaled = Field(
        0.5, gt=0, description="first wait before a dead process starts again; doubles"
    )
    restart_wait_cap_seconds: Scaled = Field(
        30.0, gt=0, description="longest wait before a dead process starts again"
    )
    restart_healthy_seconds: Scaled = Field(
        10.0, gt=0, description="a process that lived this long restarts at once"
    )
    log_max_bytes: int = Field(
        20_000_000, ge=1_000, description="a process's log file is set aside above this"
    )
    demo_timeout_seconds: float = Field(
        300.0, gt=0, description="longest that `demo` waits for its run to end"
    )
    demo_read_timeout_seconds: float = Field(40.0, gt=0, description="silence after which `demo` reconnects")
    broker_visibility_timeout_seconds: int = Field(
        7_200, ge=60, description="after which the broker hands out an unacknowledged message again"
    )
    broker_socket_timeout_seconds: float = Field(
        2.0, ge=1, description="longest wait for one answer of the broker"
    )
    worker_max_memory_kilobytes: int = Field(
        800_000, ge=100_000, description="a larger worker child is replaced"
    )
    relay_every_seconds: Scaled = Field(10.0, gt=0, description="how often beat sends a relay")
    stranded_every_seconds: Scaled = Field(
        60.0, gt=0, description="how often beat sends the look for stranded runs"
    )
    schedule_read_seconds: float = Field(
        5.0, gt=0, description="how often beat reads the schedules; an edit takes that long"
    )
    schedule_repeat_seconds: float = Field(
        10.0, gt=0, description="after which beat points at a due schedule again; doubles"
    )
    schedule_repeat_cap_seconds: float = Field(
        300.0, gt=0, description="longest wait before it points at it again"
    )
    sweep_every_seconds: Scaled = Field(1.0, gt=0, description="how often beat sends a sweeper")
    trim_every_seconds: Scaled = Field(
        60.0, gt=0, description="how often beat sends the trimming of the firehose"
    )
    retention_every_seconds: Scaled = Field(
        300.0, gt=0, description="how often beat sends what removes old runs and entries"
    )


def conf() -> ConfigSettings:
    return read_settings(ConfigSettings)
