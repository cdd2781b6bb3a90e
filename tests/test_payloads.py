"""Hostile texts in every place where a text can come in stay texts: thirty payloads in ten places, and none has an effect.

A payload wants to run SQL, leave its folder, match other files, start a formula, steer a terminal, colour or link a line, or be a tag.
An effect would be: a file that was not there, another sum, a broken check, a traceback, a control character on a terminal, a cell
that a spreadsheet calculates, HTML that is not escaped, a field more in a row.
"""

import csv
import io
import json
from pathlib import Path

import pytest
from conftest import few

PAYLOADS = {
    "sql quote": "x'; DROP TABLE ledger.charges; --",
    "sql double quote": 'x"; DELETE FROM ledger.charges; --',
    "sql copy": "') ; COPY (SELECT 1) TO 'effect.csv'; --",
    "sql attach": "'; ATTACH 'effect.duckdb'; --",
    "sql union": "' UNION ALL SELECT 1, 2, 3 --",
    "sql comment": "/* */ OR 1=1 --",
    "sql dollar": "$id $$ $1 ? :name",
    "sql getenv": "' || getenv('HOME') || '",
    "path up": "../../effect",
    "path absolute": "/tmp/effect-of-costctl",
    "path home": "~/effect",
    "glob set": "[a-z]?{a,b}**",
    "formula call": '=HYPERLINK("http://example.com","x")',
    "formula command": "=cmd|' /C calc'!A0",
    "formula plus": "+1+1",
    "formula minus": "-2+3",
    "formula at": "@SUM(1+1)",
    "formula tab": "\t=1+1",
    "line end": 'a\n=1+1,"\n',
    "terminal colour": "\x1b[31mred\x1b[0m",
    "terminal clear": "\x1b[2J\x1b]0;title\x07",
    "terminal eight bit": "\x9b31m\x8e",
    "terminal back": "safe\b\b\b\bgone",
    "terminal right to left": "\u202egnirts\u2066",
    "markup": "[bold red]x[/] [link=http://example.com]y[/link]",
    "html script": "<script>alert(1)</script>",
    "html attribute": '"><img src=x onerror=alert(1)>',
    "markdown": "| a | [x](http://example.com) `b`",
    "yaml": "!!python/object/apply:os.system ['touch effect']",
    "template": "{0.__class__} %s ${HOME} $(touch effect) `touch effect`",
}  # fmt: skip
STARTS = ("=", "+", "-", "@", "\t", "\r", "\x00")
ALL = list(PAYLOADS.values())
CONFIG = "costctl.yaml"
BRACES = str.maketrans("{}", "()")  # a team in braces is a template


def rows(fill):
    """Return a charge per payload, of 1, 2, 3 … and with what the payload fills."""
    return [{"cost": str(number), "SubAccountId": "s"} | fill(text) for number, text in enumerate(ALL, start=1)]


def in_a_field(name):
    """Have a field of the bill hold the payloads."""

    def put(place):
        place.bill("bill.csv", rows(lambda text: {name: text}))
        return [("ingest", "bill.csv")]

    return put


def in_the_tags(place):
    place.bill("bill.csv", rows(lambda text: {"Tags": json.dumps({"team": text, text: "v", "model": text})}))
    return [("ingest", "bill.csv")]


def in_the_header(place):
    extra = {f"x_{text}": text for text in ALL}
    place.bill("bill.csv", [row | extra for row in rows(lambda _: {})])
    return [("ingest", "bill.csv")]


def in_file_names(place):
    names = [f"{text.replace('/', '_')}.csv" for text in ALL]
    for name, row in zip(names, rows(lambda _: {}), strict=True):
        place.bill(name, [row])
    return [("ingest", *(f"./{name}" for name in names))]


def in_folder_names(place):
    names = [text.replace("/", "_") for text in ALL]
    for name, row in zip(names, rows(lambda _: {}), strict=True):
        place.bill(f"{name}/bill.csv", [row])
    return [("ingest", *(f"./{name}" for name in names))]


def in_the_source(place):
    commands = []
    for number, row in enumerate(rows(lambda _: {})):
        place.bill(f"{number}.csv", [row])
        commands.append(("ingest", f"{number}.csv", f"--source={ALL[number]}"))
    return commands


def in_rules(place):
    place.bill("bill.csv", rows(lambda text: {"SubAccountId": text}))
    listed = [{"name": text, "when": {"SubAccountId": [text]}, "team": text.translate(BRACES)} for text in ALL]
    (place.home / CONFIG).write_text(json.dumps({"version": "1", "rules": listed}, ensure_ascii=True))
    return [("ingest", "bill.csv")]


def in_teams(place):
    place.bill("bill.csv", rows(lambda text: {"Tags": json.dumps({"team": text})}))
    out = io.StringIO()
    listed = [[f"team {text}", text] for text in ALL]
    csv.writer(out, lineterminator="\n").writerows([["team", "aliases"], *listed])
    (place.home / "teams.csv").write_bytes(out.getvalue().encode())
    (place.home / CONFIG).write_text("version: 1\nteams: teams.csv\n")
    return [("ingest", "bill.csv")]


PLACES = {
    "description": in_a_field("ChargeDescription"),
    "service": in_a_field("ServiceName"),
    "account": in_a_field("BillingAccountId"),
    "tags": in_the_tags,
    "header": in_the_header,
    "file names": in_file_names,
    "folder names": in_folder_names,
    "source": in_the_source,
    "rules": in_rules,
    "teams": in_teams,
}
OUTPUTS = (
    ("report", "chargeback", "--format", "table"),
    ("report", "unallocated", "--format", "table"),
    ("status", "--format", "table"),
    ("explain", "--period", "2026-10", "--top", "40", "--format", "table"),
    ("report", "chargeback", "--format", "csv"),
    ("explain", "--period", "2026-10", "--top", "40", "--format", "csv"),
    (
        "sql",
        "SELECT ServiceName, BillingAccountId, Tags, ChargeDescription, source FROM charges ORDER BY ALL",
        "--format",
        "csv",
    ),
    ("report", "chargeback", "--format", "json"),
)


def everything(place):
    """Return the names of all files beside the ledger's own."""
    return sorted(
        str(path.relative_to(place.home)) for path in place.home.rglob("*") if "costctl.duckdb" not in str(path)
    )


def test_there_are_three_hundred():
    assert len(PAYLOADS) * len(PLACES) == 300


USUAL = ("tags", "rules", "header")  # the others are columns of a bill, as the tags are
ONE_BY_ONE = ("source", "file names", "folder names")  # an ingest for each of their payloads


@pytest.mark.parametrize("where", few(sorted(PLACES, key=lambda name: (name in ONE_BY_ONE, name not in USUAL))))
def test_payloads_have_no_effect(where, place, command, monkeypatch):
    monkeypatch.chdir(place.home)
    commands = PLACES[where](place)
    before = everything(place)
    for words in commands:
        said = command(*words)
        assert said.code == 0, said.err
        assert steady(said.err), said.err
    assert place.ask("SELECT count(*), sum(BilledCost) FROM ledger.charges")[0] == (30, 465)
    assert place.ask("SELECT sum(BilledCost) FROM ledger.postings")[0] == (465,)
    assert place.broken() == []
    for output in OUTPUTS:
        answer = command(*output)
        assert answer.code == 0, answer.err
        assert steady(answer.err)
        if output[-1] == "table":
            assert steady(answer.out), answer.out
        elif output[-1] == "csv":
            lines = list(csv.reader(io.StringIO(answer.out, newline="")))
            assert {len(line) for line in lines} == {len(lines[0])}
            assert [cell for line in lines[1:] for cell in line if cell.startswith(STARTS) and not number(cell)] == []
        else:
            json.loads(answer.out)
    assert everything(place) == before
    assert not Path("/tmp/effect-of-costctl").exists()


def steady(text):
    """Tell whether a text moves no cursor: nothing in it but lines of printable characters, and no traceback."""
    return all(line.isprintable() for line in text.split("\n")) and "Traceback" not in text


def number(cell):
    """Tell a number, or the dash that stands for unknown, from a formula."""
    try:
        return cell == "-" or float(cell) is not None
    except ValueError:
        return False
