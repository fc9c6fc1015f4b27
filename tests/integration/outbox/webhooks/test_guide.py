"""The examples of docs/webhooks.md are code: they are taken from there and run."""

import os
import re
import subprocess
import time
from pathlib import Path

from config.inventory import known_names
from outbox.webhooks.signing import new_secret, signed_headers
from tests.machine import require

GUIDE = (Path(__file__).parents[4] / "docs/webhooks.md").read_text()
BODY = '{"data":{"title":"Miete – äöü"}}\n'.encode()


def block(language: str, word: str) -> str:
    (found,) = (text for text in re.findall(rf"```{language}\n(.*?)```", GUIDE, re.DOTALL) if word in text)
    return found


def test_the_receiver_of_the_guide_takes_an_event_once_and_refuses_a_forged_one():
    names: dict = {}
    exec(block("python", "def receive"), names)
    receive, secret, seen = names["receive"], new_secret(), set()
    headers = signed_headers("an-id", BODY, secrets=[secret], timestamp=int(time.time()))
    assert receive(headers, BODY, secrets=[secret], seen=seen) == (204, "")
    assert seen == {"an-id"}
    assert receive(headers, BODY, secrets=[secret], seen=seen) == (204, "")
    status, said = receive(headers, BODY + b" ", secrets=[secret], seen=seen)
    assert status == 400
    assert "no signature fits" in said


def test_the_shell_of_the_guide_makes_the_same_signature(tmp_path):
    require("openssl")
    secret = new_secret()
    headers = signed_headers("an-id", BODY, secrets=[secret], timestamp=1_795_339_864)
    (tmp_path / "body.json").write_bytes(BODY)
    made = subprocess.run(
        [require("bash"), "-c", block("bash", "openssl")],
        cwd=tmp_path,
        env={
            "PATH": os.environ["PATH"],
            "SECRET": secret,
            "WEBHOOK_ID": "an-id",
            "WEBHOOK_TIMESTAMP": "1795339864",
        },
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    assert f"v1,{made}" == headers["webhook-signature"]


def test_the_settings_that_the_guide_names_exist():
    named = {name.removeprefix("LONGHAUL_") for name in re.findall(r"LONGHAUL_[A-Z_]+", GUIDE)}
    assert named <= known_names()
