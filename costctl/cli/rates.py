"""costctl rates: what chips and tokens cost, from which card, and whether the cards hold together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, fields
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from costctl.cli import days

if TYPE_CHECKING:  # --help reads no rates
    from costctl.config import Config
    from costctl.rates.facts import Facts
    from costctl.rates.imports import Card

    Records = Sequence[dict[str, str | None]]

app = typer.Typer(rich_markup_mode=None, no_args_is_help=True, help="What chips and tokens cost, and from which card.")


class Format(StrEnum):
    """How rows are printed."""

    table = "table"
    csv = "csv"
    json = "json"


Printed = Annotated[Format | None, typer.Option("--format", help="Default: table on a terminal, csv when piped.")]
At = Annotated[str | None, typer.Option("--at", metavar="YYYY-MM-DD", help="The day asked about; default today.")]
Known = Annotated[
    str | None,
    typer.Option("--known", metavar="YYYY-MM-DD", help="As it was known on that day: without what was seen later."),
]


@app.command("list")
def list_chips(at: At = None, format_: Printed = None) -> None:
    """List the chips, their machines and their prices in force."""
    from costctl.rates import listing

    emit("chips and their on-demand list prices, USD per chip-hour", listing.chips(_facts(), days.day(at)), format_)


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="Id or short name of a chip, or a model.")],
    at: At = None,
    known: Known = None,
    format_: Printed = None,
) -> None:
    """Show every price of a chip, or of a model's tokens.

    With its tiers, and why one is not used.
    """
    from costctl.rates import listing

    facts = _facts(known)
    if model := listing.model_named(name, facts):
        emit(f"{model} · per million tokens", listing.token_prices(facts, model, days.day(at)), format_)
        return
    found = listing.chip_named(name, facts)
    title = f"{found['chip']} · {found['title']} · per chip-hour"
    prices = listing.prices(facts, found["chip"], days.day(at))
    emit(title, prices, format_, listing.PRICE, listing.readable)
    if not prices:
        typer.echo(f"costctl: note: no price of {found['title']} is known. {listing.pricing(found)}", err=True)


@app.command()
def check(
    at: At = None,
    shipped: Annotated[
        bool, typer.Option("--shipped", help="List the warnings of the shipped rates, too, not only how many.")
    ] = False,
    format_: Printed = None,
) -> None:
    """Find old, odd or contradictory prices.

    Exit 9 when one is an error: prices that contradict each other, and what is old or odd in your cards. A warning passes.
    """
    from costctl.errors import GateFailed
    from costctl.files.sheets import Problem, sentence
    from costctl.rates import check as rates_check

    findings = rates_check.check(_facts(), days.day(at))
    for warning in findings.advice(shipped=shipped):
        typer.echo(f"costctl: warning: {warning}", err=True)
    rows = [{name: text or None for name, text in asdict(found).items()} for found in findings.errors]
    emit("errors in the rates", rows, format_, [column.name for column in fields(Problem)])
    if rows:
        raise GateFailed(
            "rates check",
            f"{len(rows)} error{'s' if len(rows) > 1 else ''} in the rates",
            evidence=[sentence(found) for found in findings.errors],
            remedy=findings.errors[0].remedy,
        )


@app.command()
def diff(
    before: Annotated[Path, typer.Argument(help="A folder like rates/, or a card.")],
    after: Annotated[Path, typer.Argument(help="The same, as it is to be compared.")],
    at: At = None,
    format_: Printed = None,
) -> None:
    """Show which prices in force on a day are new, gone or other.

    A card is taken with the shipped rates, as a configuration would take it.
    """
    from costctl import rates
    from costctl.rates import changes

    home, day = rates.home(), days.day(at)
    lines = changes.changes(changes.load(before, home), changes.load(after, home), day)
    emit(f"what changes in the rates of {day}", lines, format_, changes.COLUMNS)


@app.command()
def template(
    chip: Annotated[str, typer.Argument(help="Id or short name.")],
    owned: Annotated[bool, typer.Option("--owned", help="For chips of your own, by the asset register.")] = False,
) -> None:
    """Print a card for a chip to fill in.

    Yours, for what is rented under contract, owned, or has no public price.
    """
    from costctl.rates import listing

    text = listing.owned_template(chip, _facts()) if owned else listing.template(chip, _facts())
    typer.echo(text, nl=False)


@app.command("import")
def import_sheet(
    file: Annotated[Path, typer.Argument(help="A price sheet that you saved: JSON or CSV, plain, gzip or zip.")],
    as_of: Annotated[
        str | None, typer.Option(metavar="YYYY-MM-DD", help="When you saved it, if it has no date.")
    ] = None,
    layer: Annotated[str | None, typer.Option(help="contract for a negotiated sheet; default list.")] = None,
    kind: Annotated[str | None, typer.Option("--as", metavar="KIND", help="azure, aws, gcp, litellm or card.")] = None,
    format_: Printed = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", metavar="CARD.csv", help="Write the card.")] = None,
) -> None:
    """Turn a provider's price sheet into a card.

    Name it under `cards:`. What cannot be in a card is counted by its reason on stderr.
    """
    from costctl import config, rates
    from costctl.rates import imports

    settings, own = config.load(), {path.resolve() for path in (file, output) if path}
    cards = [path for card in settings.cards if (path := settings.at(card)).resolve() not in own]
    made = imports.read(file, rates.home(), cards, imports.Wanted(kind, as_of, layer))
    for note in made.notes():
        typer.echo(f"costctl: note: {note}", err=True)
    _put_card(made, file, format_, output)


def _put_card(made: Card, file: Path, format_: Format | None, output: Path | None) -> None:
    from costctl.errors import UsageError
    from costctl.files import writing
    from costctl.rates import imports

    if output is None:
        emit(f"{made.title}: {file.name}", [{**row} for row in made.rows], format_)
    elif format_ not in (None, Format.csv):
        raise UsageError("--format", "a card is CSV", remedy="Leave --format out, or --output.")
    elif output.resolve() == file.resolve():
        raise UsageError("--output", f"{output} is the sheet itself", remedy="Name another file for the card.")
    else:
        writing.write_text(output, imports.text(made))


@app.command()
def lookup(
    provider: Annotated[str, typer.Option(help="As bills or gateways name it.")],
    sku: Annotated[str, typer.Option(help="A machine as bills name it, a chip by any of its names, or a model.")],
    region: Annotated[str | None, typer.Option(help="As the bill says it.")] = None,
    at: Annotated[
        str | None,
        typer.Option("--at", metavar="TIME", help="A day, or of a model 2026-11-10T01:00:00Z; default now."),
    ] = None,
    purchase: Annotated[str, typer.Option(help="on_demand, spot, commitment, capacity_block …")] = "on_demand",
    term: Annotated[int | None, typer.Option(metavar="MONTHS", help="12 or 36; default the shortest.")] = None,
    currency: Annotated[str, typer.Option(help="ISO 4217.")] = "USD",
    tier: Annotated[str, typer.Option(help="Of a model: standard, batch, flex, priority, fast.")] = "standard",
    tokens_in: Annotated[
        int | None, typer.Option("--tokens-in", min=0, metavar="NUMBER", help="Of a model: the prompt, cached or not.")
    ] = None,
    stale_ok: Annotated[bool, typer.Option("--stale-ok", help="Of a chip: take the nearest rate, and say so.")] = False,
    chip_hours: Annotated[
        int, typer.Option("--chip-hours", min=0, metavar="NUMBER", help="Of a price with tiers: the month's so far.")
    ] = 0,
    known: Known = None,
    format_: Printed = None,
) -> None:
    """Print the one rate that reports use.

    For a machine or chip on a day, or for each token class of a model. Exit 2 when none is in force; the message names the nearest.
    """
    from costctl.errors import UsageError, shown
    from costctl.rates import lookup as rates_lookup
    from costctl.rates import tables, tokens
    from costctl.rules import teams

    facts, settings, (start, end) = _facts(known), _settings(), days.instants(at)
    if rates_lookup.is_of_chips(provider, sku, facts):
        if tokens_in is not None:
            raise UsageError(
                "--tokens-in", f"{shown(sku)} is a machine or a chip", remedy="Ask for a model's name, or leave it out."
            )
        day, volume = start.date(), Decimal(chip_hours)
        question = rates_lookup.Question(provider, sku, region, day, purchase, currency.upper(), term, volume)
        emit("the rate in force", [rates_lookup.lookup(question, facts, stale_ok=stale_ok)], format_)
        return
    asked = tokens.Question(provider, sku, region, start, end, tokens_in, tier.lower(), currency.upper())
    names = teams.model_aliases(settings, tables.aliases(facts))
    emit("the prices in force, per million tokens", tokens.lookup(asked, facts, names), format_)


def emit(
    title: str,
    rows: Records,
    format_: Format | None,
    columns: Iterable[str] = (),
    readable: Callable[[Records], Records] = list,
) -> None:
    """Print rows in the format asked for: by default a table on a terminal, with its own columns, CSV when piped."""
    from costctl.reports import render

    asked = format_.value if format_ else None
    render.emit(title, readable(rows) if render.chosen(asked, None) == "table" else rows, asked, columns=columns)


def _settings() -> Config:
    from costctl import config

    return config.load()


def _facts(known: str | None = None) -> Facts:
    from costctl import rates

    settings = _settings()
    facts = rates.load([settings.at(card) for card in settings.cards])
    return facts.known_on(days.day(known, "--known")) if known else facts
