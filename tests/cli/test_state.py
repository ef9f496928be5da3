"""Where server, key and tenant come from."""

import pytest

CONFIG = """
default_profile = "fallback"

[profiles.fallback]
server = "{url}"
api_key = "clk_fallback"

[profiles.acme]
server = "{url}"
api_key = "env:ACME_KEY"
tenant = "acme"
"""
EMPTY_LIST = (200, {"items": [], "total": 0})


@pytest.fixture
def config(home, api, monkeypatch):
    (home / "config.toml").write_text(CONFIG.format(url=api.url))
    monkeypatch.setenv("ACME_KEY", "clk_acme")
    for tenant in ("acme", "globex", "public"):
        api.on(f"GET /v1/tenants/{tenant}/workflows", EMPTY_LIST)
    api.on("GET /v1/tenants", EMPTY_LIST)


def key_of(request):
    return request.headers["authorization"].removeprefix("Bearer ")


def whoami(api, tenant):
    answer = {"tenant_id": tenant, "role": "read", "is_admin": tenant is None, "name": "x"}
    api.on("GET /v1/auth/whoami", (200, answer))


def test_without_a_server_the_error_says_what_to_pass(run):
    result = run("tenant", "list")
    assert (result.code, result.err) == (
        1,
        "Error: no server configured. Pass --server <URL>, --profile <NAME>, "
        "or set default_profile in ~/.cloacina/config.toml.\n",
    )


def test_without_a_key_the_error_says_what_to_pass(run):
    result = run("tenant", "list", "--server", "http://127.0.0.1:1")
    assert (result.code, result.err) == (
        1,
        "Error: no API key configured. Pass --api-key <KEY>, --profile <NAME>, "
        "or set default_profile in ~/.cloacina/config.toml.\n",
    )


@pytest.mark.parametrize("url", ["127.0.0.1:8080", "ftp://x", "http://", "http://x:port"])
def test_a_server_that_is_no_url_is_refused(run, url):
    result = run("tenant", "list", "--server", url, "--api-key", "x")
    assert result.code == 1
    assert "is no URL of a server" in result.err


@pytest.mark.usefixtures("config")
def test_the_default_profile_is_used(run, api):
    assert run("tenant", "list").code == 0
    assert key_of(api.requests[0]) == "clk_fallback"


@pytest.mark.usefixtures("config")
def test_a_named_profile_wins_over_the_default_one(run, api):
    run("--profile", "acme", "tenant", "list")
    assert key_of(api.requests[0]) == "clk_acme"


@pytest.mark.usefixtures("config")
def test_a_flag_wins_over_the_profile(run, api):
    run("--profile", "acme", "tenant", "list", "--api-key", "clk_flag")
    assert key_of(api.requests[0]) == "clk_flag"


@pytest.mark.usefixtures("config")
def test_an_unknown_profile_names_those_that_exist(run):
    result = run("--profile", "acne", "tenant", "list")
    assert result.code == 1
    assert "no profile 'acne'" in result.err
    assert "acme, fallback" in result.err


@pytest.mark.usefixtures("config")
def test_the_tenant_of_the_flag_wins_over_the_profiles(run, api):
    run("--profile", "acme", "--tenant", "globex", "workflow", "list")
    assert [one.path for one in api.requests] == ["/v1/tenants/globex/workflows"]


@pytest.mark.usefixtures("config")
def test_the_profiles_tenant_is_used_without_asking(run, api):
    run("--profile", "acme", "workflow", "list")
    assert [one.path for one in api.requests] == ["/v1/tenants/acme/workflows"]


@pytest.mark.usefixtures("config")
def test_the_keys_own_tenant_is_asked_for_once(run, api):
    whoami(api, "globex")
    api.on("GET /v1/tenants/globex/workflows/etl", (200, {"package_name": "p", "version": "1.0.0"}))
    run("package", "delete", "etl", "--force")
    assert len(api.asked("GET /v1/auth/whoami")) == 1
    assert api.asked("DELETE /v1/tenants/globex/workflows/p/1.0.0")


@pytest.mark.usefixtures("config")
def test_a_key_of_no_tenant_works_in_public(run, api):
    whoami(api, None)
    assert run("workflow", "list").code == 0
    assert api.asked("GET /v1/tenants/public/workflows")


@pytest.mark.parametrize("flag", ["--tenant", "--server", "--api-key", "--profile"])
def test_an_empty_flag_is_a_usage_error(client, flag):
    result = client("workflow", "list", flag, "")
    assert result.code == 2
    assert "is empty" in result.err


@pytest.mark.parametrize("name", ["", ".", ".."])
def test_a_name_that_would_change_the_path_is_refused(client, api, name):
    assert client("tenant", "delete", name, "--force").code == 1
    assert api.requests == []


def test_a_names_slash_stays_inside_its_segment(client, api):
    api.on("DELETE /v1/tenants/a%2Fb", (200, {}))
    assert client("tenant", "delete", "a/b", "--force").code == 0


def test_an_entry_of_netrc_does_not_replace_the_key(client, api, tmp_path, monkeypatch):
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login x password y\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    api.on("GET /v1/tenants", EMPTY_LIST)
    client("tenant", "list")
    assert key_of(api.requests[0]) == "clk_secret"


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("default_profile = 'x'\n\n[server]\nwrokers = 2\n", "line 4: server.wrokers: unknown key"),
        ("[profiles.acme]\nserver = 1\n", "line 2: profiles.acme.server: must be a string"),
        ("a = [\n", "not valid TOML"),
    ],
)
def test_a_wrong_config_file_is_reported_with_file_line_and_key(client, home, text, place):
    path = home / "config.toml"
    path.write_text(text)
    result = client("tenant", "list")
    assert result.code == 1
    assert f"Error: {path}" in result.err
    assert place in result.err


def test_a_redirect_is_reported_and_not_followed(client, api):
    # a POST that follows one arrives as a GET
    api.on("POST /v1/tenants", (301, b""))
    result = client("tenant", "create", "acme")
    assert result.code == 5
    assert "redirects to https://elsewhere.example/" in result.err
    assert len(api.requests) == 1
