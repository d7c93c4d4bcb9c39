"""`flask --app web up` and `demo`: the whole stack inside one command."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import click

from shared.settings import Settings, SettingsError, settings
from web.cli.stack import ROOT, Stack, stopped_by_signals

SAMPLE = ("file:demo.mp4", "--chat", "file:demo_chat.json")


@contextmanager
def _clear_ends() -> Iterator[None]:
    """One line instead of a trace, also for Ctrl-C."""
    try:
        with stopped_by_signals():
            yield
    except SettingsError as error:
        sys.exit(f"klipstream: {error}")
    except KeyboardInterrupt:
        click.echo("klipstream: stopped")


@click.command("up")
def up() -> None:
    """The whole stack in the foreground, until Ctrl-C."""
    with _clear_ends(), Stack(settings()) as stack:
        stack.wait_until_ready()
        click.echo(f"klipstream: ready at {stack.url} (console {stack.url}/console, API {stack.url}/docs)")
        stack.wait()


@click.command("demo")
def demo() -> None:
    """Start the stack, analyse the bundled sample over HTTP, show the result, stop the stack."""
    # A free port, so that the demo runs beside whatever has 3000; the bundled sample, whatever else is set.
    config: Settings = replace(settings(), port=0, local_media_dir=ROOT / "samples")
    code = 1
    with _clear_ends():
        click.echo("klipstream: starting web, workers, scheduler and Valkey ...")
        with Stack(config, variables={"LOCAL_MEDIA_DIR": str(config.local_media_dir)}, quiet=True) as stack:
            stack.wait_until_ready()
            click.echo(f"klipstream: ready at {stack.url}; submitting {SAMPLE[0]} over HTTP")
            code = _analyze(config, stack)
        click.echo(f"klipstream: stopped; everything written is in {config.data_dir}")
    sys.exit(code)


def _analyze(config: Settings, stack: Stack) -> int:
    environment = {**os.environ, "PORT": stack.url.rpartition(":")[2], "DATA_DIR": str(config.data_dir)}
    command = [sys.executable, "-m", "flask", "--app", "web", "analyze", "--follow", *SAMPLE]
    return subprocess.run(command, env=environment, cwd=ROOT, check=False).returncode
