"""`patrol report`: ledgers and rates of a round, a day or a month, as a file."""

import typer


def register(cli: typer.Typer) -> None:
    """Add the verb."""
