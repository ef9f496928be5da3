import keyring
import pytest
from keyring.backend import KeyringBackend

from cli.keys import KEYRING_SERVICE, resolve_key
from cloacina.errors import ConfigurationError


class MemoryKeyring(KeyringBackend):
    """A keyring of this process, since a machine without a desktop has none."""

    priority = 0  # never chosen by itself

    def __init__(self):
        super().__init__()
        self.entries = {}

    def get_password(self, service, username):
        return self.entries.get((service, username))

    def set_password(self, service, username, password):
        self.entries[service, username] = password


@pytest.fixture
def memory_keyring():
    before = keyring.get_keyring()
    keyring.set_keyring(MemoryKeyring())
    yield
    keyring.set_keyring(before)


def test_a_literal_key_is_itself():
    assert resolve_key("clk_abc") == "clk_abc"


def test_a_literal_key_may_hold_a_colon():
    assert resolve_key("given:as-is") == "given:as-is"


def test_env_reads_a_variable():
    assert resolve_key("env:KEY", {"KEY": " clk_abc "}) == "clk_abc"


@pytest.mark.parametrize("environ", [{}, {"KEY": ""}])
def test_env_refuses_a_variable_that_is_unset_or_empty(environ):
    with pytest.raises(ConfigurationError, match="variable KEY is not set, or empty"):
        resolve_key("env:KEY", environ)


def test_file_reads_the_first_line_that_is_not_empty(tmp_path):
    path = tmp_path / "key"
    path.write_text("\n\n  clk_abc  \nclk_other\n")
    assert resolve_key(f"file:{path}") == "clk_abc"


@pytest.mark.parametrize("content", ["", "\n \n"])
def test_file_refuses_an_empty_file(tmp_path, content):
    path = tmp_path / "key"
    path.write_text(content)
    with pytest.raises(ConfigurationError, match="is empty"):
        resolve_key(f"file:{path}")


def test_file_names_a_file_that_is_not_there(tmp_path):
    with pytest.raises(ConfigurationError, match="nothing cannot be read: No such file"):
        resolve_key(f"file:{tmp_path / 'nothing'}")


@pytest.mark.usefixtures("memory_keyring")
def test_keyring_reads_an_entry():
    keyring.set_password(KEYRING_SERVICE, "acme", "clk_abc")
    assert resolve_key("keyring:acme") == "clk_abc"


@pytest.mark.usefixtures("memory_keyring")
def test_keyring_says_how_to_add_a_missing_entry():
    with pytest.raises(ConfigurationError, match="keyring set cloacinactl acme"):
        resolve_key("keyring:acme")


def test_a_key_that_no_header_can_carry_is_refused_without_being_shown():
    with pytest.raises(ConfigurationError) as refusal:
        resolve_key("clk_abc\r\nX: y")
    assert "clk_abc" not in str(refusal.value)
