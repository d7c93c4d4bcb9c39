"""The `flask --app web` commands."""

from flask import Flask

from web.analyze import analyze, follow, jobs
from web.doctor import doctor
from web.up import demo, up


def register(app: Flask) -> None:
    for command in (analyze, follow, jobs, doctor, up, demo):
        app.cli.add_command(command)
