"""Reads deploy/Dockerfile and .dockerignore, as far as they go here."""

import re
from fnmatch import fnmatchcase
from pathlib import PurePosixPath

from tests.deploy.compose import ROOT

DOCKERFILE = ROOT / "deploy" / "Dockerfile"
IGNORED = ROOT / ".dockerignore"

Instruction = tuple[str, str]


def stages() -> dict[str, list[Instruction]]:
    """Give the instructions of each stage, with their first words apart."""
    text = re.sub(r"(?m)^#.*\n", "", DOCKERFILE.read_text(encoding="utf-8"))
    lines = re.sub(r"\\\n\s*", " ", text).splitlines()
    found: dict[str, list[Instruction]] = {}
    current: list[Instruction] = []
    for line in filter(None, lines):
        word, _, rest = line.partition(" ")
        if word == "FROM":
            current = found.setdefault(rest.rpartition(" AS ")[2], [])
        current.append((word, rest.strip()))
    return found


def instructions(stage: str, word: str) -> list[str]:
    """Give what follows a word in a stage."""
    return [rest for found, rest in stages()[stage] if found == word]


def environment(stage: str) -> dict[str, str]:
    """Give the variables that an image sets."""
    pairs = " ".join(instructions(stage, "ENV")).split()
    return dict(pair.split("=", 1) for pair in pairs)


def copied(stage: str) -> list[str]:
    """Give the project's files that a stage copies into its image."""
    copies = [rest.split()[:-1] for rest in instructions(stage, "COPY") if "--from" not in rest]
    return [path for paths in copies for path in paths]


def is_sent(path: str) -> bool:
    """Say whether a file reaches the builder: the last line that matches it, or a folder of it."""
    whole = PurePosixPath(path)
    names = [str(whole), *(str(parent) for parent in whole.parents)]
    sent = True
    for line in IGNORED.read_text(encoding="utf-8").splitlines():
        if not line or line.startswith("#"):
            continue
        pattern = line.removeprefix("!").rstrip("/")
        patterns = [pattern, pattern.removeprefix("**/")]
        if any(fnmatchcase(name, one) for name in names for one in patterns):
            sent = line.startswith("!")
    return sent
