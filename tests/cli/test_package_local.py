"""The verbs of `package` that need no server."""

import pytest

MANIFEST = """\
[package]
name = "acme-etl"
version = "1.2.0"

[metadata]
workflow_name = "nightly"
"""


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "source"
    module = folder / "workflow" / "acme_etl"
    module.mkdir(parents=True)
    (folder / "package.toml").write_text(MANIFEST)
    (module / "__init__.py").write_text("")
    (module / "tasks.py").write_text("import cloaca\n")
    return folder


def test_a_source_folder_is_packed_and_both_are_valid(run, source, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    valid = "ok: acme-etl 1.2.0 (python) — {} package is valid\n"
    assert run("package", "validate", str(source)).out == valid.format("source")
    assert run("package", "pack", str(source)).out == "acme-etl-1.2.0.cloacina\n"
    assert run("package", "validate", "acme-etl-1.2.0.cloacina").out == valid.format("archive")


def test_packing_goes_where_it_is_told(run, source, tmp_path):
    out = tmp_path / "other.cloacina"
    assert run("package", "pack", str(source), "--out", str(out)).out == f"{out}\n"
    assert out.exists()


def test_building_says_that_there_is_nothing_to_compile(run, source):
    result = run("package", "build", str(source))
    assert (result.code, result.out) == (0, "nothing to compile: this is a Python package\n")


def test_each_problem_comes_with_its_place(run, source):
    (source / "package.toml").write_text(MANIFEST + 'worfklow = "x"\nlanguage = "rust"\n')
    result = run("package", "validate", str(source))
    assert result.code == 1
    assert len(result.err.splitlines()) == 2
    assert all(line.startswith("Error: package.toml: ") for line in result.err.splitlines())


@pytest.mark.parametrize("verb", ["validate", "build", "pack", "publish"])
def test_a_path_that_is_not_there_is_named(client, verb):
    result = client("package", verb, "nowhere")
    assert (result.code, result.out) == (1, "")
    assert "nowhere" in result.err


def test_publishing_packs_and_uploads(client, api, source):
    api.on("POST /v1/tenants/acme/workflows", (201, {"package_id": "p1", "tenant_id": "acme"}))
    assert client("package", "publish", str(source)).out == "p1\n"
    assert b"BZh" in api.requests[-1].body


def test_rust_is_refused_with_the_reason(run):
    result = run("package", "new", "etl", "--lang", "rust")
    assert (result.code, result.out) == (1, "")
    assert "Python packages only" in result.err


def test_a_new_package_is_valid_as_it_is(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run("package", "new", "acme-etl").out == "created python workflow package at acme-etl\n"
    assert run("package", "validate", "acme-etl").out.startswith("ok: acme-etl ")


def test_a_new_package_is_made_where_it_is_told(run, tmp_path):
    folder = tmp_path / "there"
    assert run("package", "new", "acme-etl", "--path", str(folder)).code == 0
    assert (folder / "package.toml").exists()


def test_a_folder_that_is_not_empty_is_left_alone(run, source):
    result = run("package", "new", "acme-etl", "--path", str(source))
    assert (result.code, result.out) == (1, "")
    assert "is not an empty folder" in result.err
    assert (source / "package.toml").read_text() == MANIFEST
