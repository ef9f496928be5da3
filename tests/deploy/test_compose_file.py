"""docker-compose.yml as it is written."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
from flower.options import default_options

from cloacina.settings import ENV_PREFIX, SETTING_NAMES
from tests.deploy import compose, images
from tests.deploy.tools import run

SECRETS = ["POSTGRES_PASSWORD", "DATABASE_PASSWORD", "VALKEY_PASSWORD", "FLOWER_BASIC_AUTH"]
ENVIRONMENT = {name: f"secret-of-{name.lower()}" for name in SECRETS}
OPTIONAL_SECRETS = ["CLOACINA_BOOTSTRAP_KEY", "CLOACINA_METRICS_TOKEN"]
# of the proxy's own file
NOT_SETTINGS = {"CLOACINA_SITE", "CLOACINA_INSIDE"}
NAMES = ["postgres", "valkey", "migrate", "web", "worker", "scheduler", "flower", "caddy"]


@pytest.fixture(scope="module")
def services() -> dict[str, compose.Service]:
    """The services, with a password for everything."""
    return compose.services(ENVIRONMENT)


@pytest.fixture(params=NAMES)
def service(request: pytest.FixtureRequest, services: dict[str, compose.Service]) -> Any:
    """One service after the other."""
    return services[request.param]


def test_these_are_the_services(services: dict[str, compose.Service]) -> None:
    assert list(services) == NAMES


def test_the_file_fits_the_schema_of_the_compose_specification() -> None:
    checked = run("check-jsonschema", "--builtin-schema", "vendor.compose-spec", compose.COMPOSE)
    assert checked.returncode == 0, checked.stdout


def test_the_schema_refuses_a_word_that_it_does_not_know(tmp_path: Path) -> None:
    wrong = tmp_path / "docker-compose.yml"
    wrong.write_text(compose.COMPOSE.read_text().replace("    healthcheck:", "    health:"))
    checked = run("check-jsonschema", "--builtin-schema", "vendor.compose-spec", wrong)
    assert checked.returncode == 1
    assert "'health' was unexpected" in checked.stdout


@pytest.mark.parametrize("missing", SECRETS)
def test_there_is_no_default_secret(missing: str) -> None:
    with pytest.raises(compose.NotSetError, match=missing):
        compose.services(ENVIRONMENT | {missing: ""})


def test_whatever_else_is_secret_is_empty_by_default() -> None:
    words = {match["name"]: match["word"] for match in compose.variables()}
    assert [words[name] for name in OPTIONAL_SECRETS] == ["", ""]
    likely = ("PASSWORD", "AUTH", "KEY", "TOKEN", "SECRET")
    assert {n for n in words if n.endswith(likely)} == {*SECRETS, *OPTIONAL_SECRETS}


def test_no_secret_is_an_argument(service: compose.Service) -> None:
    arguments = " ".join((*service.command, *service.health))
    assert "secret-of" not in arguments


def test_each_service_is_checked_for_health_and_the_one_that_ends_is_not(
    service: compose.Service,
) -> None:
    if service.name == "migrate":
        assert service.options["healthcheck"] == {"disable": True}
        assert service.options["restart"] == "no"
    else:
        assert service.health
        assert service.options["restart"] == "unless-stopped"


def test_no_service_is_root_or_can_become_it(service: compose.Service) -> None:
    assert service.options["user"] in {"10001:10001", "postgres", "valkey"}
    assert service.options["cap_drop"] == ["ALL"]
    assert service.options.get("cap_add", []) == (
        ["NET_BIND_SERVICE"] if service.name == "caddy" else []
    )
    assert "no-new-privileges:true" in service.options["security_opt"]


def test_no_service_can_write_but_where_it_must(service: compose.Service) -> None:
    assert service.options["read_only"] is True
    assert "/tmp" in service.options["tmpfs"]


def test_images_of_others_have_a_version(service: compose.Service) -> None:
    name, _, tag = service.options["image"].partition(":")
    assert name in {"cloacina", "cloacina-proxy"} or (tag and tag != "latest")


def test_our_images_are_stages_of_the_dockerfile(service: compose.Service) -> None:
    build = service.options.get("build")
    assert (build is not None) == service.options["image"].startswith("cloacina")
    if build:
        assert compose.ROOT / build["dockerfile"] == images.DOCKERFILE
        assert build["target"] in images.stages()


def test_services_wait_for_what_they_need(services: dict[str, compose.Service]) -> None:
    for service in services.values():
        for name, needed in service.options.get("depends_on", {}).items():
            ends = name == "migrate"
            condition = "service_completed_successfully" if ends else "service_healthy"
            assert needed == {"condition": condition}
    for name in ("web", "worker", "scheduler"):
        assert set(services[name].options["depends_on"]) == {"migrate", "postgres", "valkey"}


def test_the_proxy_alone_is_reached_from_outside(services: dict[str, compose.Service]) -> None:
    ports = {name: service.options.get("ports") for name, service in services.items()}
    published = ["0.0.0.0:80:80", "0.0.0.0:443:443", "0.0.0.0:443:443/udp"]
    assert {name: one for name, one in ports.items() if one} == {"caddy": published}


def test_services_meet_in_networks_only_as_they_must(services: dict[str, compose.Service]) -> None:
    members: dict[str, set[str]] = {}
    for service in services.values():
        for network in service.options["networks"]:
            members.setdefault(network, set()).add(service.name)
    assert members == {
        "database": {"postgres", "migrate", "web", "worker", "scheduler"},
        "broker": {"valkey", "web", "worker", "scheduler", "flower"},
        "edge": {"caddy", "web", "flower"},
        "outside": {"worker"},
    }
    declared = compose.document()["networks"]
    assert {name for name, options in declared.items() if options} == {"database", "broker"}
    assert all(declared[name] == {"internal": True} for name in ("database", "broker"))


def test_each_volume_is_one_services_own(services: dict[str, compose.Service]) -> None:
    named = [
        (volume.split(":")[0], service.name)
        for service in services.values()
        for volume in service.options.get("volumes", [])
        if not volume.startswith((".", "/"))
    ]
    # the home has the bootstrap key, which is not for a process that runs tenants' code
    assert dict(named) == {
        "postgres": "postgres",
        "valkey": "valkey",
        "home": "migrate",
        "caddy": "caddy",
    }
    assert sorted(name for name, _ in named) == sorted(compose.document()["volumes"])


def test_what_is_mounted_from_the_project_is_there_and_cannot_be_written(
    service: compose.Service,
) -> None:
    for volume in service.options.get("volumes", []):
        if volume.startswith("."):
            source, _, mode = volume.split(":")
            assert (compose.ROOT / source).is_file()
            assert mode == "ro"


def test_each_variable_is_a_setting_that_exists(service: compose.Service) -> None:
    for name in service.environment:
        if name.startswith(ENV_PREFIX):
            assert name in NOT_SETTINGS or name.removeprefix(ENV_PREFIX).lower() in SETTING_NAMES
        if name.startswith("FLOWER_"):
            assert name.removeprefix("FLOWER_").lower() in default_options


def test_the_first_command_makes_passwords_for_all_that_needs_one(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    subprocess.run([compose.ROOT / "deploy/new-env.sh", file], check=True, capture_output=True)
    made = read_env(file)
    assert list(made) == SECRETS
    assert len(set(made.values())) == len(made)
    assert all(len(value.rpartition(":")[2]) == 48 for value in made.values())
    assert file.stat().st_mode & 0o777 == 0o600
    assert compose.services(made)


def test_passwords_that_are_in_use_are_not_replaced(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("VALKEY_PASSWORD=mine\n")
    done = subprocess.run(
        [compose.ROOT / "deploy/new-env.sh", file], check=False, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert done.stderr == f"Error: {file} exists; the data was made with its passwords\n"
    assert file.read_text() == "VALKEY_PASSWORD=mine\n"


def read_env(file: Path) -> dict[str, str]:
    lines = file.read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if not line.startswith("#"))
