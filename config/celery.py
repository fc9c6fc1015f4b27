"""The Celery application. A message is a hint: the database decides, and the sweeper sends what was lost.

Hence choices that a task queue alone could not afford: nothing is retried, scheduled ahead or stored by
Celery, and no rule of the engine rests on a message arriving once, or at all.
"""

import os
from typing import Any

from celery import Celery, signals
from kombu import Queue

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

from django.conf import settings

from config.conf import conf
from config.logging import configure_logging
from workflows import telemetry

app = Celery("longhaul", broker=settings.BROKER_URL)
# The current app is a thread-local: without a default, a thread of the web server would publish to no broker.
app.set_default()


def celery_settings() -> dict[str, Any]:
    """Celery's own settings. Read late, so that a value out of range is `manage.py check`'s to report."""
    limits = conf()
    return {
        "timezone": "UTC",
        "enable_utc": True,
        # A message is acknowledged after the work, and handed back when its child was killed. What kills its
        # child every time ends all the same: the engine counts an attempt before the body runs.
        "task_acks_late": True,
        "task_reject_on_worker_lost": True,
        "worker_prefetch_multiplier": 1,
        # After a cut the step goes on: it has its lease, and a second message finds that out.
        "worker_cancel_long_running_tasks_on_connection_loss": False,
        "task_ignore_result": True,
        "result_backend": None,
        "task_serializer": "json",
        "accept_content": ["json"],
        "result_accept_content": ["json"],
        "event_serializer": "json",
        # For Flower. Task arguments are ids, never content.
        "worker_send_task_events": True,
        "task_default_queue": "default",
        "task_queues": [Queue(name) for name in ("default", "llm", "relay")],
        # `workflows.run_step` names the queue of its step with each message.
        "task_routes": {
            "outbox.relay": {"queue": "relay"},
            "outbox.trim": {"queue": "relay"},
            "workflows.sweep": {"queue": "relay"},
            "workflows.check_stranded": {"queue": "relay"},
            "workflows.start_run": {"queue": "relay"},
        },
        # One second try heals a connection that a restarted broker closed; more would keep a request waiting.
        "task_publish_retry_policy": {
            "max_retries": 1,
            "interval_start": 0,
            "interval_step": 0,
            "interval_max": 0,
        },
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,
        "broker_channel_error_retry": True,
        "broker_transport_options": {
            # Longer than any step: a shorter one would hand the message out again in mid-step, for nothing.
            "visibility_timeout": limits.broker_visibility_timeout_seconds,
            "socket_timeout": limits.broker_socket_timeout_seconds,
            "socket_connect_timeout": limits.broker_socket_timeout_seconds,
            "socket_keepalive": True,
            "health_check_interval": 10,
        },
        # Rendering pages may leave a child large; a fresh one takes its place between two tasks.
        "worker_max_memory_per_child": limits.worker_max_memory_kilobytes,
        "worker_proc_alive_timeout": 30,
        "worker_hijack_root_logger": False,
        "worker_redirect_stdouts": False,
        # Without `expires`: that is a moment of the sender's clock, and a worker whose clock is ahead would throw every
        # message away. What waited behind a stopped worker finds in the task itself that its work was just done.
        "beat_schedule": {
            "relay": {"task": "outbox.relay", "schedule": limits.relay_every_seconds},
            "sweep": {"task": "workflows.sweep", "schedule": limits.sweep_every_seconds},
            "trim": {"task": "outbox.trim", "schedule": limits.trim_every_seconds},
            # Where the settings keep everything, these end at once. Not on the queue of relay and sweeper: a pass takes
            # up to `retention_pass_seconds`, and nobody waits for it.
            "prune": {"task": "outbox.prune", "schedule": limits.retention_every_seconds},
            "retain": {"task": "workflows.retain", "schedule": limits.retention_every_seconds},
            "stranded": {"task": "workflows.check_stranded", "schedule": limits.stranded_every_seconds},
        },
    }


app.add_defaults(celery_settings)
app.autodiscover_tasks(["outbox", "workflows"])
app.autodiscover_tasks(["outbox"], related_name="upkeep")


@signals.worker_ready.connect(weak=False)
def relay_from_the_start(**_: object) -> None:
    """Beat sends the first relay only after its interval: until then nobody would hear a commit's wake-up."""
    if "relay" in app.amqp.queues.consume_from:
        app.send_task("outbox.relay")


@signals.worker_process_init.connect(weak=False)
def prepare_spans(**_: object) -> None:
    """In a child of the pool; a process of threads makes its exporter with its first span."""
    telemetry.prepare()


@signals.worker_process_shutdown.connect(weak=False)
@signals.worker_shutdown.connect(weak=False)
def send_last_spans(**_: object) -> None:
    """A child ends without the interpreter's exit functions."""
    telemetry.flush()


@signals.setup_logging.connect(weak=False)
def keep_our_logging(**_: object) -> None:
    """Celery sets up no logging of its own where someone listens to this signal."""
    configure_logging()
