-- The tie-out by invoice: what the invoice says, every named part of its distance from the bill, what is left, the charges, the postings.
-- Grain: one row per billing period, provider, payer, invoice, currency and leg; a reconciling item is a leg of its own.
-- Always: invoice = charges + the named parts + left. A part is named only by evidence: a figure of the invoice itself, an approved
-- item, or charges of the bill that are invoiced apart and whose sum is, but for rounding, exactly what is missing.
WITH scanned AS (
    SELECT
        source, ProviderName, LOWER(PublisherName) AS publisher, LOWER(InvoiceIssuerName) AS issuer, COALESCE(BillingAccountId, '-') AS payer,
        COALESCE(InvoiceId, '-') AS invoice, BillingCurrency AS currency, billing_period, ChargeCategory, ChargeFrequency,
        COALESCE(SUM(BilledCost), CAST('0' AS DECIMAL(38, 18))) AS billed, COUNT(*) AS charges, COUNT(*) - COUNT(BilledCost) AS unknown
    FROM charges
    WHERE billing_period >= $start AND billing_period < $end AND NOT (source = 'own' AND ServiceName IN ('Manual adjustment', 'Prepaid schedule'))   -- of no bill
    GROUP BY
        source, ProviderName, LOWER(PublisherName), LOWER(InvoiceIssuerName), COALESCE(BillingAccountId, '-'), COALESCE(InvoiceId, '-'),
        BillingCurrency, billing_period, ChargeCategory, ChargeFrequency
),

placed AS (
    SELECT
        s.source, COALESCE(p.provider, LOWER(s.ProviderName), '-') AS provider, s.payer, s.invoice, s.currency, s.billing_period, s.billed, s.charges, s.unknown,
        CASE WHEN s.ChargeCategory = 'Tax' THEN s.charges ELSE 0 END AS taxes,
        CASE
            WHEN s.publisher <> COALESCE(s.issuer, '') AND COALESCE(m.provider, s.publisher) <> COALESCE(p.provider, LOWER(s.ProviderName), '-')
                THEN 'marketplace'
            WHEN s.ChargeCategory = 'Purchase' AND s.ChargeFrequency = 'One-Time' THEN 'prepayment'
            ELSE 'other'
        END AS nature
    FROM scanned AS s
    LEFT JOIN providers AS p ON p.name = LOWER(s.ProviderName)
    LEFT JOIN providers AS m ON m.name = s.publisher
),

-- an issuer that is no provider of ours, a reseller for example, is taken for the one provider whose charges carry the invoice
owners AS (
    SELECT payer, invoice, currency, MIN(provider) AS provider
    FROM placed
    WHERE invoice <> '-'
    GROUP BY payer, invoice, currency
    HAVING MIN(provider) = MAX(provider)
),

invoiced AS (
    SELECT
        COALESCE(o.provider, i.provider) AS provider, i.BillingAccountId AS payer, i.InvoiceId AS invoice, i.BillingCurrency AS currency, i.billing_period,
        CASE WHEN i.status = 'voided' THEN CAST('0' AS DECIMAL(38, 18)) ELSE i.amount END AS amount, i.tax, i.prepaid, i.lines, i.at_most, i.status, i.issue_date, i.place
    FROM invoices AS i
    LEFT JOIN owners AS o ON o.payer = i.BillingAccountId AND o.invoice = i.InvoiceId AND o.currency = i.BillingCurrency
    WHERE i.billing_period >= $start AND i.billing_period < $end
),

-- where no charge of a payer's month names an invoice and there is one invoice, it is the invoice of them all
nameless AS (
    SELECT provider, payer, currency, billing_period
    FROM placed
    GROUP BY provider, payer, currency, billing_period
    HAVING MAX(invoice) = '-' AND MIN(invoice) = '-'
),

only_ones AS (
    SELECT i.provider, i.payer, i.currency, i.billing_period, MIN(i.invoice) AS invoice
    FROM invoiced AS i
    INNER JOIN nameless AS n ON n.provider = i.provider AND n.payer = i.payer AND n.currency = i.currency AND n.billing_period = i.billing_period
    WHERE i.status <> 'voided'
    GROUP BY i.provider, i.payer, i.currency, i.billing_period
    HAVING COUNT(*) = 1
),

billed AS (
    SELECT
        p.provider, p.payer, COALESCE(o.invoice, p.invoice) AS invoice, p.currency, p.billing_period, SUM(p.billed) AS billed,
        SUM(CAST(p.charges AS DECIMAL(38, 0))) AS charges, SUM(CAST(p.unknown AS DECIMAL(38, 0))) AS unknown, SUM(CAST(p.taxes AS DECIMAL(38, 0))) AS taxes,
        SUM(CASE WHEN p.nature = 'marketplace' THEN p.billed ELSE CAST('0' AS DECIMAL(38, 18)) END) AS marketplace,
        SUM(CASE WHEN p.nature = 'prepayment' THEN p.billed ELSE CAST('0' AS DECIMAL(38, 18)) END) AS prepayment,
        MIN(p.nature) AS nature_from, MAX(p.nature) AS nature_to
    FROM placed AS p
    LEFT JOIN only_ones AS o ON p.invoice = '-' AND o.provider = p.provider AND o.payer = p.payer AND o.currency = p.currency AND o.billing_period = p.billing_period
    GROUP BY p.provider, p.payer, COALESCE(o.invoice, p.invoice), p.currency, p.billing_period
),

posted AS (
    SELECT
        p.provider, COALESCE(p.BillingAccountId, '-') AS payer, COALESCE(o.invoice, p.InvoiceId, '-') AS invoice, p.BillingCurrency AS currency, p.billing_period,
        SUM(p.BilledCost) AS posted
    FROM postings AS p
    LEFT JOIN only_ones AS o ON p.InvoiceId IS NULL AND o.provider = p.provider AND o.payer = COALESCE(p.BillingAccountId, '-') AND o.currency = p.BillingCurrency
        AND o.billing_period = p.billing_period
    WHERE p.billing_period >= $start AND p.billing_period < $end AND (p.source <> 'own' OR p.BilledCost <> 0)
    GROUP BY p.provider, COALESCE(p.BillingAccountId, '-'), COALESCE(o.invoice, p.InvoiceId, '-'), p.BillingCurrency, p.billing_period
),

items AS (
    SELECT
        r.provider, r.BillingAccountId AS payer, COALESCE(r.InvoiceId, '-') AS invoice, r.BillingCurrency AS currency, r.billing_period,
        r.amount, r.reason, r.approver, r.approved, r.place
    FROM reconciling_items AS r
    WHERE r.billing_period >= $start AND r.billing_period < $end
),

approved AS (
    SELECT provider, payer, invoice, currency, billing_period, SUM(amount) AS amount
    FROM items
    GROUP BY provider, payer, invoice, currency, billing_period
),

keys AS (
    SELECT provider, payer, invoice, currency, billing_period FROM billed
    UNION
    SELECT provider, payer, invoice, currency, billing_period FROM invoiced
    UNION
    SELECT provider, payer, invoice, currency, billing_period FROM approved
    UNION
    SELECT provider, payer, invoice, currency, billing_period FROM posted
),

-- records in quarantine: those whose own fields say what they cost, and how many say nothing
known_aside AS (
    SELECT
        COALESCE(p.provider, LOWER(s.ProviderName), '-') AS provider, COALESCE(s.BillingAccountId, '-') AS payer, COALESCE(o.invoice, s.InvoiceId, '-') AS invoice,
        s.BillingCurrency AS currency, s.billing_period, SUM(s.BilledCost) AS amount, COUNT(*) AS records
    FROM quarantine_costs AS s
    INNER JOIN delivery_periods AS l ON l.delivery_id = s.delivery_id AND l.period = s.billing_period AND l.live
    LEFT JOIN providers AS p ON p.name = LOWER(s.ProviderName)
    LEFT JOIN only_ones AS o ON s.InvoiceId IS NULL AND o.provider = COALESCE(p.provider, LOWER(s.ProviderName), '-') AND o.payer = COALESCE(s.BillingAccountId, '-')
        AND o.currency = s.BillingCurrency AND o.billing_period = s.billing_period
    GROUP BY COALESCE(p.provider, LOWER(s.ProviderName), '-'), COALESCE(s.BillingAccountId, '-'), COALESCE(o.invoice, s.InvoiceId, '-'), s.BillingCurrency, s.billing_period
),

unknown_aside AS (
    SELECT n.provider, n.payer, n.currency, n.billing_period, SUM(CAST(q.records AS DECIMAL(38, 0))) AS records
    FROM (SELECT DISTINCT source, provider, payer, currency, billing_period FROM placed) AS n
    INNER JOIN (
        SELECT d.source, p.period, COUNT(DISTINCT CONCAT(q.delivery_id, ' ', q.file_no, ' ', q.record_no)) AS records
        FROM quarantine AS q
        INNER JOIN deliveries AS d ON d.delivery_id = q.delivery_id
        INNER JOIN delivery_periods AS p ON p.delivery_id = q.delivery_id AND p.live
        LEFT JOIN quarantine_costs AS s ON s.delivery_id = q.delivery_id AND s.file_no = q.file_no AND s.record_no = q.record_no
        WHERE s.delivery_id IS NULL
        GROUP BY d.source, p.period
    ) AS q ON q.source = n.source AND q.period = n.billing_period
    GROUP BY n.provider, n.payer, n.currency, n.billing_period
),

-- where an invoice has no charges under the account, month or currency it is listed with, the bill may have it under others
elsewhere AS (
    SELECT invoice, MIN(CONCAT(STRFTIME(billing_period, '%Y-%m'), ' ', provider, ' ', payer, ' ', currency)) AS known_as
    FROM billed
    WHERE invoice <> '-'
    GROUP BY invoice
),

found AS (
    SELECT
        k.provider, k.payer, k.invoice, k.currency, k.billing_period, i.amount AS invoice_amount, i.lines, i.status, i.issue_date, i.place,
        CASE WHEN b.charges IS NULL THEN e.known_as END AS known_as,
        COALESCE(b.billed, CAST('0' AS DECIMAL(38, 18))) AS billed, COALESCE(b.charges, CAST(0 AS DECIMAL(38, 0))) AS charges, b.unknown,
        COALESCE(p.posted, CAST('0' AS DECIMAL(38, 18))) AS posted, a.records AS aside, CAST(q.records AS BIGINT) AS known_records, COALESCE(q.amount, CAST('0' AS DECIMAL(38, 18))) AS known_amount,
        COALESCE(i.amount, CAST('0' AS DECIMAL(38, 18))) - COALESCE(b.billed, CAST('0' AS DECIMAL(38, 18))) - COALESCE(r.amount, CAST('0' AS DECIMAL(38, 18))) AS gap,
        CASE WHEN i.status <> 'voided' AND COALESCE(b.taxes, 0) = 0 THEN COALESCE(i.tax, CAST('0' AS DECIMAL(38, 18))) ELSE CAST('0' AS DECIMAL(38, 18)) END AS tax,
        CASE WHEN i.status <> 'voided' THEN CAST('0' AS DECIMAL(38, 18)) - COALESCE(i.prepaid, CAST('0' AS DECIMAL(38, 18))) ELSE CAST('0' AS DECIMAL(38, 18)) END AS settled,
        CASE WHEN i.status <> 'voided' THEN i.at_most ELSE CAST('0' AS DECIMAL(38, 18)) END AS at_most,
        COALESCE(b.marketplace, CAST('0' AS DECIMAL(38, 18))) AS marketplace, COALESCE(b.prepayment, CAST('0' AS DECIMAL(38, 18))) AS prepayment,
        CASE
            WHEN i.status IS NOT NULL OR b.charges IS NULL THEN NULL
            WHEN b.nature_from = b.nature_to AND b.nature_from <> 'other' THEN CONCAT(b.nature_from, ', invoiced apart')
            WHEN k.invoice = '-' THEN 'not yet invoiced'
            ELSE 'invoice missing'
        END AS without_invoice
    FROM keys AS k
    LEFT JOIN invoiced AS i ON i.provider = k.provider AND i.payer = k.payer AND i.invoice = k.invoice AND i.currency = k.currency AND i.billing_period = k.billing_period
    LEFT JOIN billed AS b ON b.provider = k.provider AND b.payer = k.payer AND b.invoice = k.invoice AND b.currency = k.currency AND b.billing_period = k.billing_period
    LEFT JOIN posted AS p ON p.provider = k.provider AND p.payer = k.payer AND p.invoice = k.invoice AND p.currency = k.currency AND p.billing_period = k.billing_period
    LEFT JOIN approved AS r ON r.provider = k.provider AND r.payer = k.payer AND r.invoice = k.invoice AND r.currency = k.currency AND r.billing_period = k.billing_period
    LEFT JOIN elsewhere AS e ON e.invoice = k.invoice
    LEFT JOIN known_aside AS q ON q.provider = k.provider AND q.payer = k.payer AND q.invoice = k.invoice AND q.currency = k.currency AND q.billing_period = k.billing_period
    LEFT JOIN unknown_aside AS a ON a.provider = k.provider AND a.payer = k.payer AND a.currency = k.currency AND a.billing_period = k.billing_period
),

-- what was set aside is missing from the charges: named where the invoice is not reached without it
missed AS (
    SELECT
        *, CASE WHEN status <> 'voided' AND ABS(gap - tax - settled) > at_most THEN known_amount ELSE CAST('0' AS DECIMAL(38, 18)) END AS missing
    FROM found
),

-- charges that are invoiced apart count only where they close the gap but for rounding: none of them, one kind, or both
apart AS (
    SELECT
        *,
        CASE
            WHEN at_most IS NULL OR ABS(gap - tax - settled - missing) <= at_most THEN 0
            WHEN marketplace <> 0 AND ABS(gap - tax - settled - missing + marketplace) <= at_most THEN 1
            WHEN prepayment <> 0 AND ABS(gap - tax - settled - missing + prepayment) <= at_most THEN 2
            WHEN marketplace <> 0 AND prepayment <> 0 AND ABS(gap - tax - settled - missing + marketplace + prepayment) <= at_most THEN 3
            ELSE 0
        END AS taken
    FROM missed
),

rested AS (
    SELECT
        *, CASE WHEN taken IN (1, 3) THEN CAST('0' AS DECIMAL(38, 18)) - marketplace ELSE CAST('0' AS DECIMAL(38, 18)) END AS sold_apart,
        CASE WHEN taken IN (2, 3) THEN CAST('0' AS DECIMAL(38, 18)) - prepayment ELSE CAST('0' AS DECIMAL(38, 18)) END AS bought_apart,
        gap - tax - settled - missing + CASE WHEN taken IN (1, 3) THEN marketplace ELSE CAST('0' AS DECIMAL(38, 18)) END
            + CASE WHEN taken IN (2, 3) THEN prepayment ELSE CAST('0' AS DECIMAL(38, 18)) END AS rest
    FROM apart
),

ended AS (
    SELECT
        *, CASE
            WHEN rest = 0 THEN NULL
            WHEN without_invoice IS NOT NULL THEN without_invoice
            WHEN ABS(rest) <= at_most THEN 'rounding'
            WHEN status = 'open' THEN 'invoice still open'
        END AS last_reason
    FROM rested
),

legs AS (
    SELECT e.*, g.place AS leg_place, g.leg, CASE g.place
        WHEN 1 THEN e.invoice_amount
        WHEN 2 THEN e.tax
        WHEN 3 THEN e.settled
        WHEN 4 THEN e.missing
        WHEN 5 THEN e.sold_apart
        WHEN 6 THEN e.bought_apart
        WHEN 8 THEN CASE WHEN e.last_reason IS NOT NULL THEN e.rest ELSE CAST('0' AS DECIMAL(38, 18)) END
        WHEN 9 THEN CASE WHEN e.last_reason IS NULL THEN e.rest ELSE CAST('0' AS DECIMAL(38, 18)) END
        WHEN 11 THEN e.billed
        WHEN 12 THEN e.posted
        WHEN 13 THEN e.billed - e.posted
    END AS amount
    FROM ended AS e
    CROSS JOIN (VALUES
        (1, 'invoice'), (2, 'tax not in the bill'), (3, 'settled from a prepayment'), (4, 'set aside'), (5, 'marketplace, invoiced apart'),
        (6, 'prepayment, invoiced apart'), (8, 'last'), (9, 'left'), (10, 'set aside, cost not known'), (11, 'charges'), (12, 'postings'), (13, 'not posted')) AS g(place, leg)
),

every AS (
    SELECT
        billing_period, provider, payer, invoice, currency, leg_place, CASE WHEN leg_place = 8 THEN last_reason ELSE leg END AS leg, amount,
        CASE
            WHEN leg_place = 1 THEN lines
            WHEN leg_place = 8 AND last_reason = 'rounding' THEN lines
            WHEN leg_place = 4 THEN known_records
            WHEN leg_place = 10 THEN CAST(aside AS BIGINT)
            WHEN leg_place IN (8, 11) THEN CAST(charges AS BIGINT)
        END AS number,
        CASE WHEN leg_place = 8 AND last_reason = 'rounding' THEN at_most END AS at_most,
        CASE
            WHEN leg_place = 1 THEN CONCAT(status, CASE WHEN issue_date IS NULL THEN '' ELSE CONCAT(' ', CAST(issue_date AS VARCHAR)) END, ', ', place)
            WHEN leg_place = 9 AND last_reason IS NULL AND rest <> 0 AND known_as IS NOT NULL THEN CONCAT('the bill has this invoice as ', known_as)
            WHEN leg_place = 4 THEN 'in quarantine, see costctl quarantine'
            WHEN leg_place = 10 THEN 'some of it may be missing here'
            WHEN leg_place = 11 AND unknown > 0 THEN CONCAT(CAST(unknown AS VARCHAR), ' without billed cost')
        END AS note,
        CAST(NULL AS VARCHAR) AS approver
    FROM legs
    WHERE CASE
        WHEN leg_place = 1 THEN status IS NOT NULL
        WHEN leg_place IN (2, 3, 4, 5, 6, 8, 13) THEN amount <> 0
        WHEN leg_place = 10 THEN aside IS NOT NULL AND last_reason IS NULL AND rest <> 0
        ELSE TRUE
    END
    UNION ALL
    SELECT
        billing_period, provider, payer, invoice, currency, 7, 'reconciling item', amount, CAST(NULL AS BIGINT), CAST(NULL AS DECIMAL(38, 18)),
        CONCAT(reason, ', ', CAST(approved AS VARCHAR), ', ', place), approver
    FROM items
)

SELECT STRFTIME(billing_period, '%Y-%m') AS billing_period, provider, payer, invoice, currency, leg, amount, number, at_most, note, approver
FROM every
ORDER BY currency, billing_period, provider, payer, invoice, leg_place, amount, note
