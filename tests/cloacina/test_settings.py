"""Settings: where a value comes from, and what is said of one that cannot be used."""

from pathlib import Path

import pytest

from cloacina.errors import ConfigurationError
from cloacina.settings import SETTINGS, Settings, load_settings


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path


def write_config(home: Path, text: str) -> None:
    (home / "config.toml").write_text(text)


def test_a_flag_wins_over_the_environment_which_wins_over_the_file(home: Path) -> None:
    write_config(home, 'database_url = "sqlite:///file.db"\n[server]\nworkers = 2\nconcurrency = 3')
    environ = {"CLOACINA_HOME": str(home), "CLOACINA_WORKERS": "5", "CLOACINA_CONCURRENCY": "6"}

    settings = load_settings({"workers": "7"}, environ)

    assert (settings.workers, settings.concurrency) == (7, 6)
    assert settings.database_url == "sqlite:///file.db"
    assert settings.task_timeout_s == 300
    assert settings.home == home


def test_a_flag_that_was_not_given_hides_nothing(home: Path) -> None:
    environ = {"CLOACINA_HOME": str(home), "CLOACINA_BIND": "127.0.0.1:9"}
    assert load_settings({"bind": None}, environ).bind == "127.0.0.1:9"


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({"CLOACINA_WORKERS": "many"}, "CLOACINA_WORKERS: 'many' must be a whole number"),
        ({"CLOACINA_WORKERS": "-1"}, "CLOACINA_WORKERS: '-1' must be between 0 and 256"),
        ({"CLOACINA_BIND": "8080"}, "CLOACINA_BIND: '8080' must be host:port"),
        ({"CLOACINA_BIND": "localhost:99999"}, "CLOACINA_BIND: 'localhost:99999' must be"),
        ({"CLOACINA_LOG_LEVEL": "loud"}, "CLOACINA_LOG_LEVEL: 'loud' must be one of debug, info"),
        ({"CLOACINA_TASK_EVENTS": "perhaps"}, "CLOACINA_TASK_EVENTS: 'perhaps' must be true or"),
    ],
)
def test_a_value_that_cannot_be_used_is_named_with_its_source(
    home: Path, environ: dict[str, str], said: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_settings({}, {"CLOACINA_HOME": str(home), **environ})
    assert caught.value.message.startswith(said)


def test_a_wrong_flag_is_named_as_it_was_typed(home: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"^--reconcile-interval-s: '0' must be between"):
        load_settings({"home": home, "reconcile_interval_s": "0"}, {})


def test_a_wrong_value_in_the_file_is_named_with_the_file(home: Path) -> None:
    write_config(home, "[server]\nworkers = true")
    with pytest.raises(ConfigurationError, match=r"config\.toml: workers: True must be a whole"):
        load_settings({"home": home}, {})


def test_a_wrong_secret_is_not_shown(home: Path) -> None:
    write_config(home, "database_url = 12345678")
    with pytest.raises(ConfigurationError) as caught:
        load_settings({"home": home}, {})
    assert "12345678" not in caught.value.message


def test_secrets_are_not_in_the_settings_repr() -> None:
    settings = Settings(database_url="postgresql://u:hunter2@h/d", bootstrap_key="clk_hunter2")
    assert "hunter2" not in repr(settings)


def test_a_process_that_gets_them_by_its_environment_has_the_same_settings(home: Path) -> None:
    settings = Settings(
        home=home,
        database_url="postgresql://u:p@h/d",
        cors_origins=("https://a.example", "https://b.example"),
        worker_tenants=("acme",),
        task_events=True,
        workers=0,
    )
    assert load_settings({}, settings.environment()) == settings


def test_every_setting_says_what_it_is_for() -> None:
    for row in SETTINGS:
        assert row.metadata["help"], row.name
