"""Flower's settings, each with its reason. Read by `celery -A workers.app flower` from the working folder."""

import sys

from environs import Env

from shared.settings import SettingsError, read_secret, settings

# Who reaches Flower can end workers and read links: it starts with a password or not at all.
try:
    _home = settings().data_dir / "flower"
    _users = read_secret(Env(), "FLOWER_BASIC_AUTH")
except SettingsError as error:
    sys.exit(f"klipstream: {error}")
if not all(name and password for name, _, password in (user.partition(":") for user in _users.split(","))):
    sys.exit("klipstream: FLOWER_BASIC_AUTH is not of the form user:password,...: Flower does not start without one")
basic_auth = _users.split(",")

# Whoever wants it reachable from outside says so on the command line.
address = "127.0.0.1"

# About 3 KB of memory each.
max_tasks = 10_000

# What it has seen outlives its restart.
_home.mkdir(parents=True, exist_ok=True)
persistent = True
db = str(_home / "flower")
state_save_interval = 60_000  # ms
