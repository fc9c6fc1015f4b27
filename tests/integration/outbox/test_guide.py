"""docs/outbox.md: the outbox alone, as another team would lift it out."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from django.conf import settings

from config.inventory import known_names

GUIDE = Path("docs/outbox.md").read_text()

# What the guide says is needed for Celery's beat and for webhooks only.
NOT_NEEDED = """
import sys
sys.modules.update({"celery": None, "httpcore2": None})
"""
PROJECT = """
import os
import django
from django.conf import settings
from django.core.management import call_command

settings.configure(
    INSTALLED_APPS=["outbox"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "shop.sqlite3"}},
    REDIS_URL=os.environ["REDIS_URL"],
    LONGHAUL={},
    USE_TZ=True,
)
django.setup()
call_command("migrate", verbosity=0)
"""
USE = """
ship_order(place_order(90))
call_command("outbox", "relay", "--seconds", "1.5")
call_command("outbox", "status", "--json", "--window", "0")
"""


def example() -> str:
    blocks = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)
    return next(block for block in blocks if "def place_order" in block)


def test_the_outbox_runs_without_the_rest_of_the_project(redis_client, tmp_path):
    shutil.copytree("outbox", tmp_path / "outbox", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "shop.py").write_text(NOT_NEEDED + PROJECT + example() + USE)
    environment = {"REDIS_URL": settings.REDIS_URL, "PATH": os.environ["PATH"], "PYTHONPATH": str(tmp_path)}

    done = subprocess.run(
        [sys.executable, "shop.py"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 0, done.stderr[-2_000:]
    told = json.loads(done.stdout)
    assert told["healthy"]
    assert sum(firehose["length"] for firehose in told["redis"]["firehoses"]) == 2
    (stream,) = redis_client.scan_iter(match="lh:{*}:run:*")
    types = [json.loads(fields[b"e"])["type"] for _, fields in redis_client.xrange(stream)]
    assert types == ["order.placed", "order.shipped"]


def test_every_setting_of_the_guide_is_one():
    named = set(re.findall(r"LONGHAUL_([A-Z_]+[A-Z])", GUIDE))
    assert named
    assert named <= known_names()
