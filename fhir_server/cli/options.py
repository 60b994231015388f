"""The settings as flags of a command."""

from __future__ import annotations

import argparse
from collections.abc import Iterable

from pydantic import ValidationError

from fhir_server.cli.frame import CommandFailed
from fhir_server.settings import Settings


def add_settings(parser: argparse.ArgumentParser, names: Iterable[str] | None = None) -> None:
    """Add a flag for each setting, or for those named; what is not given comes from the environment."""
    wanted = list(Settings.model_fields if names is None else names)
    for name in wanted:
        field = Settings.model_fields[name]
        default = ",".join(field.default) if isinstance(field.default, tuple) else field.default
        shown = f" [{default}]" if default not in (None, "") else ""
        parser.add_argument(
            f"--{name.replace('_', '-')}",
            dest=name,
            metavar="VALUE",
            help=f"{field.description}{shown} (FHIR_{name.upper()})".replace("%", "%%"),
            default=argparse.SUPPRESS,
        )


def check_there(settings: Settings) -> None:
    """Raise CommandFailed for a file that is not there."""
    if settings.is_in_a_file and not settings.store_path.is_file():
        raise CommandFailed(f"store: {settings.store_path} does not exist")


def settings_of(arguments: argparse.Namespace) -> Settings:
    """Return the settings of a command; raise CommandFailed for what is wrong with them."""
    given = {key: value for key, value in vars(arguments).items() if key in Settings.model_fields}
    try:
        return Settings(**given)
    except ValidationError as error:
        raise CommandFailed(problems(error), status=2) from error


def problems(error: ValidationError) -> str:
    """Return what is wrong with settings as one line."""
    return "; ".join(_problem(each["loc"], each["msg"]) for each in error.errors())


def _problem(place: tuple[int | str, ...], message: str) -> str:
    said = message.removeprefix("Value error, ")
    return f"{place[0]}: {said}" if place else said
