import pytest

from tests.examples.runs import EXAMPLES, LoadedPackage


@pytest.fixture(scope="module")
def etl(tmp_path_factory):
    example = LoadedPackage(EXAMPLES / "acme-etl", tmp_path_factory.mktemp("acme"))
    yield example
    example.close()


def test_it_is_packed_under_its_name_and_version(etl):
    assert etl.archive.name == "acme-etl-1.2.0.cloacina"
    assert etl.inspected.manifest == etl.checked.manifest
    assert etl.checked.manifest.workflow_name == "nightly-etl"
    assert "workflow/acme_etl/data/orders.csv" in etl.inspected.files


def test_it_declares_a_chain_and_its_parameters(etl):
    assert etl.graph.topological_order == ("extract", "clean", "aggregate", "report")
    assert {slot["name"]: slot["default"] for slot in etl.definition["params"]} == {
        "country": "",
        "top": 3,
        "max_rejected_percent": 10.0,
    }
    assert not any(slot["required"] for slot in etl.definition["params"])


def test_it_reports_the_revenue_and_counts_the_bad_rows(etl):
    result, skipped = etl.run()
    assert not skipped
    assert result["report"] == "243 orders, 84,442.27 EUR, 22 rows rejected"
    assert result["rejected"] == {
        "bad date": 3,
        "bad price": 3,
        "bad quantity": 7,
        "duplicate order": 2,
        "no customer": 4,
        "unknown country": 3,
    }
    assert result["revenue_cents"] == sum(result["by_day"].values())
    assert result["top_customers"] == ["Harbour Books", "Iris Optik", "Casa Verde"]
    assert "rows" not in result
    assert "orders" not in result


def test_it_can_look_at_one_country(etl):
    result, _ = etl.run(country="GB", top=1)
    assert result["by_country"] == {"GB": 2720852}
    assert result["top_customers"] == ["Harbour Books"]


def test_it_fails_when_too_much_is_wrong(etl):
    with pytest.raises(RuntimeError, match=r"8\.3 % of the rows are wrong, 5 % are allowed"):
        etl.run(max_rejected_percent=5)
