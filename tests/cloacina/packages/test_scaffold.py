import subprocess
import sys

import pytest

from cloacina.errors import InvalidInput
from cloacina.packages.scaffold import create
from tests.examples.runs import LoadedPackage


@pytest.mark.parametrize(
    ("name", "module"),
    [
        ("data-pipeline", "data_pipeline"),
        ("Reports.v2", "reports_v2"),
        ("3d", "workflow_3d"),
        ("json", "workflow_json"),
        ("cloaca", "workflow_cloaca"),
        ("class", "workflow_class"),
    ],
)
def test_a_new_package_validates_packs_and_runs_as_it_is(tmp_path, name, module):
    folder = create(name, "workflow", tmp_path / "new")

    assert folder == tmp_path / "new"
    package = LoadedPackage(folder, tmp_path)
    manifest = package.inspected.manifest
    assert (manifest.name, manifest.workflow_name) == (name, name)
    assert manifest.entry_module == f"{module}.tasks"
    assert "tests/test_workflow.py" in package.inspected.files
    result, skipped = package.run(numbers=[3, 4])
    package.close()
    assert (result["total"], skipped) == (25, set())


def test_the_test_of_a_new_package_passes_with_plain_pytest(tmp_path):
    folder = create("data-pipeline", "workflow", tmp_path / "new")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:valkey", "-p", "no:cacheprovider"]
    done = subprocess.run([*command, "."], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert "2 passed" in done.stdout


def test_a_schedule_is_not_supported_yet(tmp_path):
    with pytest.raises(InvalidInput, match="schedules are not supported by this version yet"):
        create("nightly", "cron", tmp_path / "new")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["", "-x", "a b", "../up", "ä"])
def test_what_is_no_package_name_is_refused(tmp_path, name):
    with pytest.raises(InvalidInput, match="is not a package name"):
        create(name, "workflow", tmp_path / "new")


def test_only_an_empty_folder_is_filled(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").touch()
    create("demo", "workflow", tmp_path / "empty")
    for taken in (tmp_path / "empty", tmp_path / "file"):
        with pytest.raises(InvalidInput, match="is not an empty folder"):
            create("demo", "workflow", taken)
