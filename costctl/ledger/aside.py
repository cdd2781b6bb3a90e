"""What records in quarantine say they cost: a bad date hides no amount, so the tie-out can name what is missing from a bill."""

from __future__ import annotations

from costctl.ledger import faults
from costctl.ledger.charges import PERIOD
from costctl.ledger.store import Ledger
from costctl.nouns import Format

KEPT = "ProviderName, BillingAccountId, InvoiceId, BillingCurrency"
WHOLE_RECORDS = (
    f"GROUP BY file_no, record_no, {KEPT}, billing_period HAVING count(BilledCost) = count(*) "
    "AND billing_period IS NOT NULL AND BillingCurrency IS NOT NULL"
)


def read(ledger: Ledger, item: Format) -> None:
    """Fill the TEMP table `aside` with what bad records cost where their other fields say it; runs outside a transaction.

    The recording gates give no value for a bad field. A format that looks across records would see them out of their context,
    and a SELECT that such records bring to a stop says nothing of them: their cost stays unknown.
    """
    ledger.run(
        "CREATE OR REPLACE TEMP TABLE aside AS SELECT * EXCLUDE (delivery_id) FROM ledger.quarantine_costs LIMIT 0"
    )
    if item.target != "charges" or item.across:
        return
    select = item.sql.strip().rstrip(";")
    shaped = f"(SELECT * FROM ledger.charges LIMIT 0) UNION ALL BY NAME (SELECT {PERIOD} AS billing_period, f.* FROM ({select}) AS f)"
    try:
        ledger.run(
            f"INSERT INTO temp.aside WITH records AS (SELECT * FROM temp.bad_records) "
            f"SELECT file_no, record_no, {KEPT}, billing_period, sum(BilledCost) FROM ({shaped}) {WHOLE_RECORDS}"
        )
    except Exception as error:
        if not faults.is_of_input(error):
            raise


def write(ledger: Ledger, identity: str) -> None:
    """Write down what was read of the records set aside."""
    ledger.run("INSERT INTO ledger.quarantine_costs SELECT $id, * FROM temp.aside", {"id": identity})
