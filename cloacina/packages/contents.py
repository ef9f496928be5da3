"""The rules for what lies in a package, the same for a source folder and for an archive."""

import hashlib
import re
import sys
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

from cloacina.packages import limits
from cloacina.packages.errors import InvalidPackage, Problems, printable
from cloacina.packages.manifest import MANIFEST_NAME, PYTHON, RUST, Manifest, parse_manifest
from cloacina.packages.tar_reader import Kind

WORKFLOW_FOLDER, VENDOR_FOLDER = "workflow", "vendor"

# control characters, bytes that are not UTF-8, and the separator of another system
_FORBIDDEN = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\\\\]")
_MODULE_SUFFIXES = (".py", ".pyc", ".so")
RESERVED_MODULES = sys.stdlib_module_names | {"cloaca"}


@dataclass(frozen=True)
class PackageInfo:
    """A package that was looked through and found valid.

    Attributes:
        files: the paths of its files inside the package, sorted.
        unpacked_bytes: what all its files take together.
        source_sha256: hexadecimal hash of all under `workflow/` and `vendor/`, names and bytes; the
            same however it is packed.
    """

    manifest: Manifest
    files: tuple[str, ...]
    unpacked_bytes: int
    source_sha256: str


def normal_path(path: str) -> str:
    """Give a member's path without '.' and doubled slashes; '' is the top itself.

    Raises:
        ValueError: it is absolute, leaves the package, or is no name for a file everywhere.
    """
    if path.startswith("/"):
        raise ValueError("an absolute path; paths are relative to the package")
    if _FORBIDDEN.search(path):
        raise ValueError("holds a backslash, a control character or bytes that are not UTF-8")
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise ValueError("the path leaves the package through '..'")
    encoded = "/".join(parts).encode()
    if len(encoded) > limits.MAX_PATH_BYTES:
        raise ValueError(f"the path is longer than {limits.MAX_PATH_BYTES:,} bytes")
    if any(len(name) > limits.MAX_NAME_BYTES for name in encoded.split(b"/")):
        raise ValueError(f"a name in it is longer than {limits.MAX_NAME_BYTES} bytes")
    return encoded.decode()


class Contents:
    """Takes in a package's members one by one, then says what the package is.

    Parameters:
        problems: where what is wrong is noted.
    """

    def __init__(self, problems: Problems) -> None:
        self._problems = problems
        self._kinds: dict[str, Kind] = {"": Kind.FOLDER}
        self._folded: dict[str, str] = {}
        self._digests: dict[str, bytes] = {}
        self._manifest_text: bytes | None = None
        self._members = 0
        self._unpacked_bytes = 0

    def count_member(self) -> None:
        """Count one entry, usable or not.

        Raises:
            InvalidPackage: there are too many, so that nothing more is read.
        """
        self._members += 1
        if self._members > limits.MAX_MEMBERS:
            raise InvalidPackage(f"the package: more than {limits.MAX_MEMBERS:,} members")

    def admit(self, path: str, kind: Kind) -> bool:
        """Note a member; say whether it may be kept.

        Parameters:
            path: inside the package, as `normal_path` gives it.
        """
        if kind not in (Kind.FILE, Kind.FOLDER):
            self._problems.add(path, f"is a {kind}; only files and folders are allowed")
            return False
        known = self._kinds.get(path)
        if known is Kind.FOLDER and kind is Kind.FOLDER:
            return True
        if known is not None:
            text = "occurs twice" if known is kind else "is both a file and a folder"
            self._problems.add(path, text)
            return False
        if not self._admit_folders_of(path):
            return False
        return self._admit_new(path, kind)

    def _admit_folders_of(self, path: str) -> bool:
        missing = []
        parent = path.rpartition("/")[0]
        while parent not in self._kinds:
            missing.append(parent)
            parent = parent.rpartition("/")[0]
        if self._kinds[parent] is Kind.FILE:
            self._problems.add(parent, "is both a file and a folder")
            return False
        return all(self._admit_new(folder, Kind.FOLDER) for folder in reversed(missing))

    def _admit_new(self, path: str, kind: Kind) -> bool:
        folded = unicodedata.normalize("NFC", path).casefold()
        other = self._folded.setdefault(folded, path)
        if other != path:
            self._problems.add(
                path, f"differs only in case or Unicode form from {printable(other)}; rename one"
            )
            return False
        self._kinds[path] = kind
        return True

    def listen(self, path: str, pieces: Iterator[bytes]) -> Iterator[bytes]:
        """Pass a file's bytes through, taking note of them; they must all be drawn."""
        digest = hashlib.sha256()
        start = bytearray()
        for piece in pieces:
            digest.update(piece)
            self._unpacked_bytes += len(piece)
            if path == MANIFEST_NAME and len(start) <= limits.MAX_MANIFEST_BYTES:
                start += piece
            yield piece
        self._digests[path] = digest.digest()
        if path == MANIFEST_NAME:
            self._manifest_text = bytes(start)

    def finish(self, top_folder: str | None = None) -> PackageInfo:
        """Check what can only be seen at the end.

        Parameters:
            top_folder: an archive's. A source folder has none, and its manifest may leave out
                what `pack` fills in.

        Raises:
            InvalidPackage: with every problem found so far.
        """
        self._check_shadowing()
        has_workflow = self._kinds.get(WORKFLOW_FOLDER) is Kind.FOLDER
        if not has_workflow:
            self._problems.add(
                f"{WORKFLOW_FOLDER}/",
                "Missing workflow source directory; put the package's modules there",
            )
        try:
            manifest = self._parse_manifest(is_source=top_folder is None)
        except InvalidPackage as error:
            self._problems.extend(error.problems)
            raise self._problems.error() from None
        if has_workflow:
            self._check_entry_module(manifest.entry_module)
        if top_folder not in (None, manifest.folder_name):
            self._problems.add(
                f"{top_folder}/", f"the top folder must be named {manifest.folder_name}/"
            )
        if self._problems:
            raise self._problems.error()
        return self._info(manifest)

    def _info(self, manifest: Manifest) -> PackageInfo:
        files = tuple(sorted(self._digests))
        source = hashlib.sha256()
        for path in files:
            if path.startswith((f"{WORKFLOW_FOLDER}/", f"{VENDOR_FOLDER}/")):
                # no path holds a NUL, and a digest has one length: no two sources look alike
                source.update(path.encode() + b"\0" + self._digests[path])
        return PackageInfo(manifest, files, self._unpacked_bytes, source.hexdigest())

    def _parse_manifest(self, *, is_source: bool) -> Manifest:
        data = self._manifest_text
        if data is None:
            raise InvalidPackage(f"{MANIFEST_NAME}: missing; every package has one at its top")
        if len(data) > limits.MAX_MANIFEST_BYTES:
            raise InvalidPackage(
                f"{MANIFEST_NAME}: larger than {limits.MAX_MANIFEST_BYTES // 1024} KiB"
            )
        try:
            text = data.decode()
        except UnicodeDecodeError:
            raise InvalidPackage(f"{MANIFEST_NAME}: not UTF-8 text") from None
        if not is_source:
            return parse_manifest(text)
        language = RUST if "Cargo.toml" in self._kinds else PYTHON
        return parse_manifest(text, inferred_language=language)

    def _check_entry_module(self, entry_module: str) -> None:
        path = f"{WORKFLOW_FOLDER}/{entry_module.replace('.', '/')}"
        candidates = (f"{path}.py", f"{path}/__init__.py")
        if not any(self._kinds.get(candidate) is Kind.FILE for candidate in candidates):
            self._problems.add(
                MANIFEST_NAME,
                f"[metadata] entry_module '{entry_module}' is not in the package: there is "
                f"neither {candidates[0]} nor {candidates[1]}",
            )

    def _check_shadowing(self) -> None:
        for path, kind in self._kinds.items():
            folder, _, rest = path.partition("/")
            if folder not in (WORKFLOW_FOLDER, VENDOR_FOLDER) or kind is not Kind.FILE:
                continue
            module = _top_module(rest)
            if module in RESERVED_MODULES:
                owner = "the SDK" if module == "cloaca" else "the standard library"
                self._problems.add(
                    path, f"hides the module '{module}' of {owner}; give it another name"
                )


def _top_module(path: str) -> str | None:
    """Name the top module that a file makes importable, where it does.

    A folder without `__init__` is no more than a namespace, which hides nothing.
    """
    folder, _, rest = path.rpartition("/")
    stem, dot, suffix = rest.partition(".")
    if "/" in folder or not (dot + suffix).endswith(_MODULE_SUFFIXES):
        return None
    if not folder:
        return stem
    return folder if stem == "__init__" else None
