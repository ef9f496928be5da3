import json
import stat
import tomllib

import pytest

COMMENTED = """\
# our servers
default_profile = "acme"  # the usual one

[profiles.acme]
# the key comes from CI
server = "https://acme.example"
api_key = "env:ACME_KEY"

[server]
workers = 2
"""


@pytest.fixture
def file(home):
    return home / "config.toml"


def read(file):
    return tomllib.loads(file.read_text())


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("server.workers", "4", 4),
        ("server.task_events", "true", True),
        ("server.cors_origins", '["https://a.example", "https://b.example"]', None),
        ("server.metrics_token", "12345", "12345"),
        ("database_url", "sqlite:///x.db", "sqlite:///x.db"),
        ("default_profile", "7", "7"),
        ("profiles.a.b.tenant", "acme", "acme"),
    ],
)
def test_a_value_is_set_with_its_type_and_read_again(run, file, key, text, value):
    assert run("config", "set", key, text).code == 0
    value = json.loads(text) if value is None else value
    shown = value if isinstance(value, str) else json.dumps(value)
    assert run("config", "get", key).out == f"{shown}\n"
    assert json.loads(run("config", "get", key, "--json").out) == value


def test_setting_keeps_comments_order_and_the_rest(run, file):
    file.write_text(COMMENTED)
    run("config", "set", "server.workers", "3")
    assert file.read_text() == COMMENTED.replace("workers = 2", "workers = 3")


def test_a_new_top_level_key_does_not_land_in_the_last_table(run, file):
    file.write_text("[server]\nworkers = 2\n")
    run("config", "set", "database_url", "sqlite:///x.db")
    assert read(file) == {"database_url": "sqlite:///x.db", "server": {"workers": 2}}


def test_a_new_profile_joins_profiles_that_lie_apart(run, file):
    file.write_text(COMMENTED + '\n[profiles.late]\nserver = "http://late"\n')
    run("config", "set", "profiles.new.server", "http://new")
    assert set(read(file)["profiles"]) == {"acme", "late", "new"}
    assert read(file)["server"] == {"workers": 2}


def test_an_inline_layout_is_kept(run, file):
    file.write_text('profiles = {acme = {server = "http://a"}}\n')
    run("config", "set", "profiles.new.server", "http://new")
    assert file.read_text() == (
        'profiles = {acme = {server = "http://a"},new = {server = "http://new"}}\n'
    )


def test_a_layout_that_the_change_would_break_is_left_alone(run, file):
    text = 'profiles.acme.server = "http://a"\nserver.workers = 2\n'
    file.write_text(text)
    result = run("config", "set", "profiles.new.server", "http://new")
    assert (result.code, file.read_text()) == (1, text)
    assert "edit it by hand" in result.err


def test_the_file_is_for_its_owner_alone_and_its_folder_is_made(run, tmp_path):
    home = tmp_path / "not" / "yet"
    run("--home", str(home), "config", "set", "server.workers", "3")
    assert stat.S_IMODE((home / "config.toml").stat().st_mode) == 0o600
    assert [path.name for path in home.iterdir()] == ["config.toml"]


def test_a_linked_file_stays_a_link(run, file, tmp_path):
    elsewhere = tmp_path / "dotfiles.toml"
    elsewhere.write_text(COMMENTED)
    file.symlink_to(elsewhere)
    run("config", "set", "server.workers", "3")
    assert file.is_symlink()
    assert read(elsewhere)["server"] == {"workers": 3}


@pytest.mark.parametrize("key", ["wrokers", "server.home", "server.database_url", "profiles.a.key"])
@pytest.mark.parametrize("verb", [["get"], ["set"]])
def test_an_unknown_key_is_refused_with_those_that_exist(run, file, verb, key):
    words = [*verb, key] if verb == ["get"] else [*verb, key, "1"]
    result = run("config", *words)
    assert result.code == 1
    assert result.err.startswith(f"Error: {key}: unknown key; known: broker_url")
    assert not file.exists()


@pytest.mark.parametrize(
    ("key", "value", "problem"),
    [
        ("server.workers", "many", "server.workers: 'many' must be a whole number"),
        ("server.workers", "1000", "must be between 0 and 256"),
        ("server.task_events", "maybe", "must be true or false"),
    ],
)
def test_a_value_that_the_service_would_refuse_is_refused_here(run, file, key, value, problem):
    result = run("config", "set", key, value)
    assert result.code == 1
    assert problem in result.err
    assert not file.exists()


def test_a_value_that_is_not_set_is_an_error(run):
    result = run("config", "get", "server.workers")
    assert result.code == 1
    assert "server.workers is not set in" in result.err


def test_the_list_shortens_secrets(run, file):
    file.write_text(
        'database_url = "postgresql://u:password@host/db"\n'
        '[profiles.a]\nserver = "http://a"\napi_key = "clk_0123456789"\n'
    )
    lines = run("config", "list").out.splitlines()
    assert lines == [
        "database_url        post…t/db",
        "profiles.a.server   http://a",
        "profiles.a.api_key  clk_…6789",
    ]
    assert "0123" not in run("config", "list", "--json").out


def test_a_broken_file_is_never_overwritten(run, file):
    file.write_text("[server\n")
    assert run("config", "set", "server.workers", "3").code == 1
    assert file.read_text() == "[server\n"


def test_profiles_are_set_listed_used_and_deleted(run, file):
    words = ("config", "profile")
    assert run(*words, "set", "acme", "http://a/", "--api-key", "clk_0123456789").code == 0
    assert run(
        *words, "set", "globex", "--server", "http://g", "--api-key", "env:K", "--tenant", "globex",
        "--default",
    ).code == 0  # fmt: skip
    assert read(file) == {
        "default_profile": "globex",
        "profiles": {
            "acme": {"server": "http://a", "api_key": "clk_0123456789"},
            "globex": {"server": "http://g", "api_key": "env:K", "tenant": "globex"},
        },
    }
    assert run(*words, "list").out == "  acme http://a clk_…6789\n* globex http://g env:K\n"
    assert run(*words, "use", "acme").code == 0
    assert run(*words, "list", "-o", "id").out == "acme\nglobex\n"
    assert run(*words, "delete", "acme").code == 0
    assert set(read(file)) == {"profiles"}
    assert set(read(file)["profiles"]) == {"globex"}


def test_a_profile_that_exists_is_changed_in_part(run, file):
    file.write_text(COMMENTED)
    assert run("config", "profile", "set", "acme", "--tenant", "acme").code == 0
    assert read(file)["profiles"]["acme"] == {
        "server": "https://acme.example",
        "api_key": "env:ACME_KEY",
        "tenant": "acme",
    }
    assert "# the key comes from CI" in file.read_text()


def test_a_new_profile_needs_url_and_key(run, file):
    result = run("config", "profile", "set", "acme", "http://a")
    assert result.code == 2
    assert "a new profile needs --api-key." in result.err
    assert not file.exists()


@pytest.mark.parametrize("verb", ["use", "delete"])
def test_a_profile_that_is_not_there_is_named(run, verb):
    result = run("config", "profile", verb, "acme")
    assert result.code == 1
    assert "no profile 'acme'" in result.err
