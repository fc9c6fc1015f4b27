"""The settings of the test suite: the product's own, on a private data folder, port and database."""

import atexit
import os
import shutil
import socket
import tempfile

_folder = tempfile.mkdtemp(prefix="longhaul-tests-")
atexit.register(shutil.rmtree, _folder, ignore_errors=True)


# Bound from now on, so that nobody else takes the port until the fixture `redis_server` needs it.
_held = socket.socket()
_held.bind(("127.0.0.1", 0))


def release_redis_port() -> None:
    _held.close()


os.environ["LONGHAUL_DATA_DIR"] = _folder
os.environ.setdefault("SECRET_KEY", "a-key-for-tests-that-signs-nothing-of-value-0123456789")
# The fixture `redis_server` starts a real server behind this address; other tests find nobody there.
REDIS_PORT = int(_held.getsockname()[1])
os.environ["REDIS_URL"] = f"redis://:private@127.0.0.1:{REDIS_PORT}/0"
# Messages of the engine are hints: these tests act on rows, so what is sent stays in this process.
os.environ["BROKER_URL"] = "memory://"

from config.settings import *  # noqa: E402, F403
from config.settings import DATABASES, INSTALLED_APPS, LONGHAUL  # noqa: E402

# A file: an in-memory SQLite would share one cache between threads and answer "table is locked".
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    DATABASES["default"]["TEST"] = {"NAME": os.path.join(_folder, "test.sqlite3")}

# The service that docs/consumers.md shows; its tables are made without migrations.
INSTALLED_APPS = [*INSTALLED_APPS, "tests.invoicing"]

# A thread that keeps its connection would keep the test database from being dropped.
# Counted in a Redis that all tests share, from one address.
LONGHAUL = {**LONGHAUL, "FLUSH_IDLE_SECONDS": 0.05, "FAILED_LOGINS_MAX": 0}
CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
