"""Flower's configuration file (`--conf`). Without a password it shows its pages to anyone, so it ends."""

import os
import sys

basic_auth = [pair for pair in os.environ.get("FLOWER_BASIC_AUTH", "").split(",") if pair]
if not all(":" in pair and not pair.endswith(":") for pair in basic_auth) or not basic_auth:
    sys.exit("Flower needs a password: set FLOWER_BASIC_AUTH=name:password")
