"""What the embedded Valkey gives, and to whom."""

import stat
from pathlib import Path

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from cloacina.embedded import EmbeddedValkey
from cloacina.embedded.errors import EmbeddedServerFailed
from tests.cloacina.embedded.owners import command_lines


def test_it_refuses_those_without_its_password(running_valkey: EmbeddedValkey) -> None:
    with (
        redis.Redis(port=running_valkey.port, retry=Retry(NoBackoff(), 0)) as client,
        pytest.raises(redis.AuthenticationError),
    ):
        client.ping()
    with redis.Redis.from_url(running_valkey.url) as client:
        assert client.ping()


def test_it_keeps_every_hint_rather_than_evict_one(running_valkey: EmbeddedValkey) -> None:
    with redis.Redis.from_url(running_valkey.url) as client:
        assert client.config_get("maxmemory-policy")["maxmemory-policy"] == "noeviction"
        assert client.config_get("appendonly")["appendonly"] == "yes"


def test_its_password_stands_in_no_command_line_and_no_open_file(
    running_valkey: EmbeddedValkey,
) -> None:
    file = running_valkey.folder.path / "valkey-password"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert not any(file.read_text() in line for line in command_lines())
    assert file.read_text() not in running_valkey.folder.log_path.read_text()


def test_hints_and_port_survive_a_restart(data_root: Path) -> None:
    with EmbeddedValkey(data_root) as server, redis.Redis.from_url(server.url) as client:
        client.lpush("tenant.acme", "hint")
        url = server.url
    with EmbeddedValkey(data_root) as server, redis.Redis.from_url(server.url) as client:
        assert server.url == url
        assert client.lrange("tenant.acme", 0, -1) == [b"hint"]


def test_a_folder_with_spaces_and_quotes_in_its_name_will_do(data_root: Path) -> None:
    folder = data_root / 'my "odd" folder'
    with EmbeddedValkey(folder) as server, redis.Redis.from_url(server.url) as client:
        assert client.ping()


def test_a_start_that_fails_quotes_the_log(data_root: Path) -> None:
    with EmbeddedValkey(data_root) as server:
        data = server.folder.data
    (data / "appendonlydir" / "appendonly.aof.manifest").write_text("nonsense")
    with pytest.raises(EmbeddedServerFailed, match=r"(?s)ended with code 1.*FATAL AOF MANIFEST"):
        EmbeddedValkey(data_root).start()
