"""Migrations and the models agree, and while a deployment rolls, processes of the release before still can write."""

from collections.abc import Callable
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.utils import timezone

RELEASED = ("workflows", "0001_initial")  # what the release before knows of the tables


@pytest.mark.django_db
def test_models_and_migrations_agree():
    call_command("makemigrations", "--check", "--dry-run", verbosity=0)


@pytest.fixture
def before(db: None) -> Callable[[str], Any]:
    """The engine's models as the release before has them."""
    apps = MigrationLoader(connection).project_state(RELEASED).apps
    return lambda name: apps.get_model("workflows", name)


def test_a_process_of_the_release_before_can_write_to_the_tables_of_this_one(before, owner):
    now = timezone.now()
    run = before("Run").objects.create(
        workflow="w",
        version=1,
        plan={},
        plan_hash="0",
        input={},
        owner_id=owner.pk,
        title="t",
        created_at=now,
    )
    before("Step").objects.create(
        run=run,
        position=0,
        stage=0,
        branch=0,
        name="a",
        title="A",
        queue="q",
        timeout_seconds=1,
        max_attempts=1,
    )
    before("AuditEntry").objects.create(
        run=run, actor_id=owner.pk, action="cancel", before="running", after="cancelled", created_at=now
    )
