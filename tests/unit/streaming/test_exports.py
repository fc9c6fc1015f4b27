import importlib
import subprocess
import sys

import pytest
from django.conf import settings


@pytest.mark.parametrize(
    "package", ["streaming.client", "streaming.llm", "streaming.parsers", "streaming.prompts"]
)
def test_what_a_package_exports_is_sorted_and_there(package):
    module = importlib.import_module(package)

    assert module.__all__ == sorted(module.__all__)
    assert all(hasattr(module, name) for name in module.__all__)


def test_the_parsers_need_no_django():
    program = "import sys, streaming.parsers; sys.exit('django' in sys.modules)"

    subprocess.run([sys.executable, "-c", program], check=True, cwd=settings.BASE_DIR)


def test_a_process_that_asks_no_model_does_not_load_the_sdk():
    program = "import sys, streaming.llm; sys.exit('openai' in sys.modules)"

    subprocess.run([sys.executable, "-c", program], check=True, cwd=settings.BASE_DIR)
