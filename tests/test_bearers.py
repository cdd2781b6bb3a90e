"""Who bears what nobody else does: support, marketplace, refunds and tax; credits before and after; what is billed for later. By hand."""

import csv
import io

import pytest
from conftest import few_rows, table

from costctl.errors import UsageError

BILL = """
    day         ServiceName             ChargeCategory  ChargeClass  PublisherName              InvoiceIssuerName          team     cost
    2026-10-01  Amazon EC2              Usage           -            Amazon Web Services, Inc.  Amazon Web Services, Inc.  search   300
    2026-10-01  Amazon EC2              Usage           -            Amazon Web Services, Inc.  Amazon Web Services, Inc.  ads      100
    2026-10-01  Amazon EC2              Usage           -            -                          -                          -        7
    2026-10-02  Amazon EC2              Usage           Correction   Amazon Web Services, Inc.  Amazon Web Services, Inc.  search   -20
    2026-10-02  Amazon EC2              Usage           Correction   Amazon Web Services, Inc.  Amazon Web Services, Inc.  -        -3
    2026-10-01  AWS Support (Business)  Usage           -            Amazon Web Services, Inc.  Amazon Web Services, Inc.  -        40
    2026-10-02  AWS Support (Business)  Usage           Correction   Amazon Web Services, Inc.  Amazon Web Services, Inc.  -        -4
    2026-10-01  Traces                  Usage           -            Tracing Co.                AWS Marketplace            -        60
    2026-10-01  Traces                  Usage           -            Tracing Co.                AWS Marketplace            ads      5
    2026-10-01  Traces                  Tax             -            Tracing Co.                AWS Marketplace            -        9
    2026-10-01  Amazon EC2              Credit          -            Amazon Web Services, Inc.  Amazon Web Services, Inc.  search   -50
    2026-10-01  Amazon EC2              Credit          -            Amazon Web Services, Inc.  Amazon Web Services, Inc.  -        -6
"""


def configured(place, policy, pools=""):
    place.write("costctl.yaml", f"version: 1\npolicy: {policy}\n{pools}")
    if not place.path.exists():
        place.bill("october.csv", BILL)
        place.ingest("october.csv")


def told(place, *words):
    """Return the lines of a report: team or line, kind by kind, and what the table says that is left of the bill."""
    said = place.costctl("report", *words, "--period", "2026-10", "--format", "csv")
    assert said.returncode == 0, said.stderr
    table_ = place.costctl("report", *words, "--period", "2026-10", "--format", "table").stdout
    assert [line.split()[1] for line in table_.splitlines() if line.startswith("difference")] == ["0"], table_
    assert place.broken() == []
    return list(csv.DictReader(io.StringIO(said.stdout)))


def owed(place, *words):
    return {row["team"] or row["line"]: row["total"] for row in told(place, "chargeback", *words)}


def test_each_kind_that_nobody_bears_has_a_bearer(place):
    """Support is 40, of which 4 came back: by what teams pay themselves, search 300 - 20, ads 100 + 5; what falls to a bearer draws none."""
    configured(place, "{tax: cost}")
    assert owed(place) == {
        "search": "280",
        "ads": "105",
        "unallocated": "100",
        "fees without owner": "9",
        "credits": "-56",
    }
    overhead = "pools: {overhead: {base: direct_cost, grain: period}}"
    configured(
        place, "{tax: cost, bearers: {support: {pool: overhead}, marketplace: platform, tax: finance}}", overhead
    )
    found = owed(place)
    # 40 - 4 by 385: ads 10.909090 - 1.090909, each cut at a millionth; search has what is left of 36
    assert found == {
        "search": "306.181819",
        "ads": "114.818181",
        "platform": "60",
        "finance": "9",
        "unallocated": "4",
        "credits": "-56",  # 7 and the 3 that came back of it: a refund goes where its charge does
    }
    configured(place, "{tax: cost, bearers: {support: platform, refund: finance}}")
    found = owed(place)
    assert found == {
        "search": "280",
        "ads": "105",
        "platform": "40",
        "finance": "-7",  # search's refund is search's
        "unallocated": "67",
        "fees without owner": "9",
        "credits": "-56",
    }
    took = place.costctl("rules", "check", "--format", "csv").stdout
    assert "\n,bearer of refund,team finance,2,-7,USD" in took
    assert "\n,bearer of support,team platform,1,40,USD" in took
    configured(place, "{bearers: {refund: finance, support: {pool: overhead}}}", overhead)
    assert owed(place)["finance"] == "-7"  # nobody is owed a part of the overhead for a refund that is nobody's
    configured(place, "{bearers: {tax: finance}}")
    assert owed(place)["recoverable tax"] == "9"  # in no cost, whoever bears it


@pytest.mark.parametrize(
    ("publisher", "issuer", "provider", "bears"),
    few_rows(
        [
            ("Tracing Co.", "Microsoft", "Microsoft", True),
            ("Tracing Co.", "Google Cloud", "Google Cloud", True),
            # a provider of its own that a file calls by another name
            ("Tracing Co.", "Tracing Co.", "Microsoft", False),
            ("Tracing Co.", "Reseller", "tracing co.", False),
            ("Microsoft Corporation", "Reseller", "Azure", False),
            ("AWS", "Reseller", "AWS", False),
            ("-", "Reseller", "AWS", False),
        ],
        3,
    ),
)
def test_what_a_marketplace_sells(place, publisher, issuer, provider, bears):
    place.write("costctl.yaml", "version: 1\npolicy: {bearers: {marketplace: platform}}\n")
    place.bill(
        "b.csv",
        f"day  PublisherName  InvoiceIssuerName  ProviderName  cost\n2026-10-01  {publisher}  {issuer}  {provider}  5",
    )
    place.ingest("b.csv")
    assert place.ask("SELECT team FROM ledger.postings") == [("platform" if bears else None,)]


@pytest.mark.slow
def test_tokens_of_a_marketplace_are_bought_tokens_first(place):
    place.write("costctl.yaml", "version: 1\npolicy: {bearers: {marketplace: platform}}\n")
    rows = table(
        "day  PublisherName  InvoiceIssuerName  x_Model  x_TokenClass  cost\n2026-10-01  Anthropic  AWS  m  input  5"
    )
    place.bill("b.csv", rows)
    place.ingest("b.csv")
    assert place.ask("SELECT pool FROM ledger.postings") == [("api",)]


@pytest.mark.slow
def test_credits_before_or_after(place):
    """search has 280 and a credit of 50 by its tag; 6 are nobody's and stay a line."""
    configured(place, "{credits: before}")
    assert "credits" not in told(place, "chargeback")[0]
    configured(place, "{credits: after}")
    assert owed(place) == {
        "search": "230",
        "ads": "105",
        "unallocated": "100",
        "recoverable tax": "9",
        "credits": "-6",
    }
    (row,) = [row for row in told(place, "chargeback") if row["team"] == "search"]
    assert (row["direct"], row["credits"]) == ("280", "-50")
    account = {(row["line"], row["team"]): row["total"] for row in told(place, "accounts")}
    assert (account["team", "search"], account["team", "ads"], account["credits", ""]) == ("230", "105", "-6")
    shown = place.costctl("report", "chargeback", "--period", "2026-10", "--format", "table").stdout
    assert "effective, after credits" in shown


@pytest.mark.slow
def test_what_is_billed_for_later_is_a_line_of_its_own(place):
    """A year for 1,200 is billed to a pool, and used by search for 100: of what is billed in October nobody has it yet.

    A monthly fee of 30 covers its month: it is search's.
    """
    place.write(
        "costctl.yaml",
        "version: 1\nrules: [{name: p, when: {SubAccountId: p}, pool: p}]\npools: {p: {base: fixed, shares: {search: 1, ads: 1}}}\n",
    )
    place.bill(
        "b.csv",
        """
        day         SubAccountId  ChargeCategory  ChargeFrequency  team    BilledCost  EffectiveCost  ListCost  ContractedCost
        2026-10-01  p             Purchase        One-Time         -       1200        0              0         1200
        2026-10-01  w             Purchase        One-Time         ads     240         0              0         240
        2026-10-01  w             Purchase        Recurring        search  30          30             30        30
        2026-10-02  w             Usage           -                search  0           100            120       100
        2026-10-02  w             Usage           -                ads     8           8              8         8
        """,
    )
    place.ingest("b.csv")
    assert owed(place, "--cost", "billed") == {"ads": "8", "search": "30", "bought for later": "1440"}
    assert {
        row["account"]: row["total"] for row in told(place, "accounts", "--cost", "billed") if row["team"] == ""
    } == {"(bought for later)": "1440"}
    assert owed(place) == {"ads": "8", "search": "130"}


@pytest.mark.parametrize(
    ("policy", "said"),
    [
        ("{bearers: {support: {pool: overhed}}}", "support goes to the pool 'overhed', which is not under `pools:`"),
        ("{bearers: {suport: platform}}", "did you mean support"),
        ("{credits: maybe}", "must be 'before' or 'after'"),
    ],
)
def test_what_does_not_fit_is_named_with_its_line(place, policy, said):
    place.write("costctl.yaml", f"version: 1\npolicy: {policy}\npools: {{overhead: {{base: direct_cost}}}}\n")
    place.bill("b.csv", "day  cost\n2026-10-01  5")
    with pytest.raises(UsageError) as refused:
        place.ingest("b.csv")
    assert said.lower() in refused.value.text().lower()
    assert "costctl.yaml:2:" in refused.value.text()
