import pytest

from tests.examples.runs import EXAMPLES, LoadedPackage


@pytest.fixture(scope="module")
def billing(tmp_path_factory):
    example = LoadedPackage(EXAMPLES / "globex-billing", tmp_path_factory.mktemp("globex"))
    yield example
    example.close()


def test_it_is_packed_under_its_name_and_version(billing):
    assert billing.archive.name == "globex-billing-1.0.0.cloacina"
    assert billing.inspected.manifest == billing.checked.manifest
    assert billing.checked.manifest.workflow_name == "billing-run"


def test_it_fans_out_over_the_regions_and_in_again(billing):
    regions = ("bill_amer", "bill_apac", "bill_emea", "bill_latam")
    assert billing.graph.dependents("load_usage") == regions
    assert billing.graph.task("summarise").dependencies == regions
    assert billing.graph.leaves == ("close",)


def test_it_sums_the_regions_up_and_skips_the_review(billing):
    result, skipped = billing.run()
    assert skipped == {"request_review"}
    assert result["status"] == "ready to send"
    assert {region: part["gross"] for region, part in result["summary"].items()} == {
        "amer": 54472,
        "apac": 75985,
        "emea": 111298,
        "latam": 64193,
    }
    assert result["total_gross"] == 305948
    assert "usage" not in result


def test_it_asks_for_a_review_of_an_unusual_total(billing):
    result, skipped = billing.run(review_over=300_000, period="2026-10")
    assert not skipped
    assert result["status"] == "in review"
    assert result["review"] == ["EMEA-2026-10-003", "APAC-2026-10-001", "LATAM-2026-10-002"]


def test_the_same_input_gives_the_same_result(billing):
    assert billing.run() == billing.run()
