"""The `flask --app web` commands."""

from flask import Flask

from web.cli.analyze import analyze, follow, jobs
from web.cli.backup import backup, restore
from web.cli.doctor import doctor
from web.cli.up import demo, up


def register(app: Flask) -> None:
    """Add every command to `flask`."""
    for command in (analyze, follow, jobs, doctor, up, demo, backup, restore):
        app.cli.add_command(command)
