import pytest

from tests.cloaca.children import Child, copy_sdk, write_modules


@pytest.fixture(scope="session")
def sdk(tmp_path_factory):
    return copy_sdk(tmp_path_factory.mktemp("sdk"))


@pytest.fixture
def start_child(sdk, tmp_path):
    """Start children that end with the test."""
    children = []

    def start():
        folder = tmp_path / f"child-{len(children)}"
        folder.mkdir()
        children.append(Child(sdk, folder))
        return children[-1]

    yield start
    for child in children:
        child.close()


@pytest.fixture
def write_package(tmp_path):
    """Write a package's modules, of which `etl.tasks` is the one that is loaded."""

    def write(source="", **modules):
        named = {name.replace("__", "."): text for name, text in modules.items()}
        return write_modules(tmp_path / "workflow", {"etl.tasks": source, **named})

    return write


@pytest.fixture
def loaded(start_child, write_package):
    """Start a child that has loaded a package."""

    def load(source, **modules):
        child = start_child()
        answer = child.load(write_package(source, **modules))
        assert answer["ok"], answer
        return child

    return load
