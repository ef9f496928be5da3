"""deploy/Dockerfile and what a build gets to see."""

import subprocess
from configparser import ConfigParser
from pathlib import Path

from cloacina.settings import load_settings
from tests.deploy import compose, images
from tests.deploy.tools import run

PASSWORDS = {
    "POSTGRES_PASSWORD": "p",
    "DATABASE_PASSWORD": "d",
    "VALKEY_PASSWORD": "v",
    "FLOWER_BASIC_AUTH": "u:f",
}


def test_hadolint_has_nothing_to_say() -> None:
    checked = run("hadolint", images.DOCKERFILE)
    assert (checked.returncode, checked.stdout) == (0, "")


def test_hadolint_would_have_something_to_say(tmp_path: Path) -> None:
    wrong = tmp_path / "Dockerfile"
    wrong.write_text(images.DOCKERFILE.read_text().replace(":3.11-slim", ""))
    assert "DL3006" in run("hadolint", wrong).stdout


def test_both_images_run_as_the_user_that_compose_names() -> None:
    services = compose.services(PASSWORDS)
    for stage, service in (("service", "web"), ("proxy", "caddy")):
        assert images.instructions(stage, "USER") == [services[service].options["user"]]


def test_the_image_and_compose_agree_about_health() -> None:
    web = compose.services(PASSWORDS)["web"]
    words = ", ".join(f'"{word}"' for word in web.health)
    assert images.instructions("service", "HEALTHCHECK")[0].endswith(f"CMD [{words}]")


def test_the_images_variables_are_settings() -> None:
    settings = load_settings(environ=images.environment("service"))
    assert str(settings.home) == "/var/lib/cloacina"
    assert settings.bind == "0.0.0.0:8080"


def test_what_the_images_copy_is_there_and_reaches_the_builder() -> None:
    for stage in ("service", "proxy"):
        for path in images.copied(stage):
            assert (compose.ROOT / path).is_file()
            assert images.is_sent(path)


def test_commands_name_files_that_the_image_has() -> None:
    copied = {Path(path).name for path in images.copied("service")}
    for service in compose.services(PASSWORDS).values():
        for word in (*service.command, *service.health):
            if word.startswith("/opt/cloacina/deploy/"):
                assert Path(word).name in copied


def test_the_builder_gets_all_that_a_wheel_is_made_of_and_nothing_else() -> None:
    config = ConfigParser()
    config.read(compose.ROOT / "setup.cfg")
    tops = {name.split(".")[0] for name in config["options.packages.find"]["include"].split()}
    needed = {"setup.cfg", "pyproject.toml", "README.md", "LICENSE"}
    shipped = {path for stage in ("service", "proxy") for path in images.copied(stage)}
    for path in tracked():
        expected = path.split("/")[0] in tops or path in needed | shipped
        assert images.is_sent(path) == expected, path


def test_the_builder_gets_no_secret_and_no_rubbish() -> None:
    for path in (".env", ".git/config", ".venv/bin/python", "web/__pycache__/app.cpython-311.pyc"):
        assert not images.is_sent(path)


def tracked() -> list[str]:
    listed = subprocess.run(["git", "ls-files"], check=True, capture_output=True, cwd=compose.ROOT)
    return listed.stdout.decode().splitlines()
