"""The tasks of `billing-run`."""

import csv
from pathlib import Path

import cloaca

from .invoices import make_invoices

USAGE = Path(__file__).parent / "data" / "usage.csv"

PERIOD = "2026-09"
REVIEW_OVER = 500_000


@cloaca.workflow_params(period=(str, PERIOD), review_over=(int, REVIEW_OVER))
@cloaca.task(retry_attempts=3, retry_backoff="fixed", retry_delay_ms=500)
def load_usage(context):
    """what: Reads what each customer used, by region."""
    usage = {}
    with USAGE.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            products = usage.setdefault(row["region"], {}).setdefault(row["customer"], {})
            products[row["product"]] = int(row["units"])
    context.set("period", context.get("period", PERIOD))
    context.set("usage", usage)
    return context


@cloaca.task(dependencies=["load_usage"])
def bill_amer(context):
    """what: Makes the invoices of North America."""
    return _bill("amer", context)


@cloaca.task(dependencies=["load_usage"])
def bill_apac(context):
    """what: Makes the invoices of Asia and the Pacific."""
    return _bill("apac", context)


@cloaca.task(dependencies=["load_usage"])
def bill_emea(context):
    """what: Makes the invoices of Europe, the Middle East and Africa."""
    return _bill("emea", context)


@cloaca.task(dependencies=["load_usage"])
def bill_latam(context):
    """what: Makes the invoices of Latin America."""
    return _bill("latam", context)


def _bill(region, context):
    usage = context.remove("usage")
    invoices = make_invoices(region, context["period"], usage[region])
    print(f"{region}: {len(invoices)} invoices")
    # the join merges objects, so that each region's lands beside the others
    context.set("invoices", {region: invoices})
    return context


@cloaca.task(dependencies=["bill_amer", "bill_apac", "bill_emea", "bill_latam"])
def summarise(context):
    """
    what: Sums the regions up.
    why: Finance books one total a month, and looks closer when it is unusual.
    """
    invoices = context["invoices"]
    summary = {
        region: {
            "invoices": len(of_region),
            **{part: sum(one[part] for one in of_region) for part in ("net", "tax", "gross")},
        }
        for region, of_region in sorted(invoices.items())
    }
    total = sum(region["gross"] for region in summary.values())
    context.set("summary", summary)
    context.set("total_gross", total)
    context.set("needs_review", total > context.get("review_over", REVIEW_OVER))
    return context


@cloaca.task(
    dependencies=["summarise"],
    trigger_rules=cloaca.context_value("needs_review", "equals", True),
)
def request_review(context):
    """what: Asks finance to look at the largest invoices before they go out."""
    invoices = [one for of_region in context["invoices"].values() for one in of_region]
    largest = sorted(invoices, key=lambda one: (-one["gross"], one["number"]))[:3]
    context.set("review", [one["number"] for one in largest])
    print(f"please review {', '.join(context['review'])}")
    return context


@cloaca.task(dependencies=["summarise", "request_review"])
def close(context):
    """
    what: Closes the month, to be sent at once or after the review.
    why: Runs either way: a skipped review adds nothing to the context.
    """
    context.set("status", "in review" if context["needs_review"] else "ready to send")
    print(f"{context['period']}: {context['total_gross'] / 100:,.2f} {context['status']}")
    return context
