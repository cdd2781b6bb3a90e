"""The two forms of an AWS offer file, read into the same terms.

The JSON holds all products and then all terms, the CSV a line for each price of a term with the product's attributes beside it.
Neither is held in memory: of the products only those that are kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from costctl.errors import InputRefused
from costctl.files import delimited, nested, tables
from costctl.rates.imports.found import Left, Unfit, text_of

Texts = dict[str, str]
Judge = Callable[[Texts], None]  # raises Unfit for a product that stays out

PREAMBLE = 5  # lines about the CSV above its header
ABOUT = {"OfferCode": "offerCode", "Publication Date": "publicationDate"}
COLUMNS = {  # of the CSV that are spelled otherwise than the attributes of the JSON, compared without blanks and case
    "preinstalleds/w": "preInstalledSw",
    "productfamily": "productFamily",
    "instancetype": "instanceType",
    "operatingsystem": "operatingSystem",
    "locationtype": "locationType",
    "regioncode": "regionCode",
    "leasecontractlength": "LeaseContractLength",
    "purchaseoption": "PurchaseOption",
    "offeringclass": "OfferingClass",
}


@dataclass(frozen=True)
class Rate:
    """One price of a term: per hour, or once."""

    unit: str
    currency: str
    price: str
    begins: str
    ends: str


@dataclass
class Term:
    """One way to buy a product: its attributes and those of the term, and its prices."""

    where: str
    kind: str
    product: Texts
    effective: str
    bought: Texts
    rates: list[Rate] = field(default_factory=list)


def about(path: Path) -> Texts:
    """Return what the file says of itself before its products."""
    if tables.content(path) == "json":
        texts = Texts()
        for place, value in nested.walk(path, _enters):
            if len(place) != 1:
                break
            texts[str(place[0])] = value if isinstance(value, str) else ""
        return texts
    rows = [row for _, (_, row) in zip(range(PREAMBLE), delimited.read(path), strict=False)]
    return {ABOUT.get(row[0], row[0]): row[1] for row in rows if len(row) > 1}


def terms(path: Path, judge: Judge) -> Iterator[Left | Term]:
    """Yield every product that stays out, with its reason, and the terms of the others."""
    return _of_json(path, judge) if tables.content(path) == "json" else _of_csv(path, judge)


def _enters(place: nested.Place) -> bool:
    return place in ((), ("products",), ("terms",)) or (
        len(place) == len(("terms", "OnDemand")) and place[0] == "terms"
    )


def _of_json(path: Path, judge: Judge) -> Iterator[Left | Term]:
    kept: dict[str, Texts] = {}
    listed = False
    for place, value in nested.walk(path, _enters):
        where = f"{path}:{nested.pointer(place)}"
        match place:
            case ("products", str(sku)):
                product, listed = _product(value), True
                try:
                    judge(product)
                    kept[sku] = product
                except Unfit as unfit:
                    yield Left(where, unfit.reason, unfit.example)
            case ("terms", *_) if not listed:
                remedy = "Nothing says what they are for: fetch the file again, as AWS publishes it."
                raise InputRefused(where, "its terms stand before its products", remedy=remedy)
            case ("terms", str(kind), str(sku)) if sku in kept and isinstance(value, dict):
                yield from (_term(f"{where}/{code}", kind, kept[sku], term) for code, term in value.items())


def _product(value: Any) -> Texts:
    attributes = value.get("attributes") if isinstance(value, dict) else None
    texts = {key: text_of(attributes, key) for key in attributes} if isinstance(attributes, dict) else {}
    return texts | {"productFamily": text_of(value, "productFamily")}


def _term(where: str, kind: str, product: Texts, value: Any) -> Term:
    bought = value.get("termAttributes") if isinstance(value, dict) else None
    found = Term(where, kind, product, text_of(value, "effectiveDate"), bought if isinstance(bought, dict) else {})
    dimensions = value.get("priceDimensions") if isinstance(value, dict) else None
    for dimension in dimensions.values() if isinstance(dimensions, dict) else ():
        texts = [text_of(dimension, key) for key in ("unit", "beginRange", "endRange")]
        prices = dimension.get("pricePerUnit") if isinstance(dimension, dict) else None
        for currency in prices if isinstance(prices, dict) else ():
            found.rates.append(Rate(texts[0], currency, text_of(prices, currency), texts[1], texts[2]))
    return found


def _of_csv(path: Path, judge: Judge) -> Iterator[Left | Term]:
    judged: dict[str, bool] = {}
    found: dict[tuple[str, str], Term] = {}
    for where, row in _rows(path):
        sku = row.get("sku", "")
        if sku not in judged:
            try:
                judge(row)
                judged[sku] = True
            except Unfit as unfit:
                judged[sku] = False
                yield Left(where, unfit.reason, unfit.example)
        if judged[sku]:
            term = Term(where, row.get("termtype", ""), row, row.get("effectivedate", ""), row)
            names = ("unit", "currency", "priceperunit", "startingrange", "endingrange")
            rates = found.setdefault((sku, row.get("offertermcode", "")), term).rates
            rates.append(Rate(*(row.get(name, "") for name in names)))
    yield from found.values()


def _rows(path: Path) -> Iterator[tuple[str, Texts]]:
    """Yield each line below the header by the names of the JSON's attributes, or the folded names of its columns."""
    header: list[str] = []
    for number, (lines, row) in enumerate(delimited.read(path)):
        if number == PREAMBLE:
            folded = ["".join(name.split()).lower() for name in row]
            header = [COLUMNS.get(name, name) for name in folded]
        elif number > PREAMBLE:
            where = f"{path}:{lines.start}"
            if len(row) != len(header):
                what = f"has {len(row)} cells where the header has {len(header)}"
                raise InputRefused(where, what, remedy="Fetch the file again.")
            yield where, {name: cell.strip() for name, cell in zip(header, row, strict=True)}
