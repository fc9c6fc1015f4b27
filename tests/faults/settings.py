"""Settings of every process of the fault harness: the product's own, with the harness's workflows beside them."""

from config.settings import *  # noqa: F403
from config.settings import DATABASES, INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "tests.faults"]
# The harness signs in with each request; a slow hash would be most of what it measures.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
# A process behind a gate that gives no answer must notice within a lease.
DATABASES["default"].setdefault("OPTIONS", {})["connect_timeout"] = 2
