"""Objects in an object store whose names begin with an address, as the files of a folder.

The stores are those of obstore: S3 and what speaks its protocol, Google Cloud Storage, Azure. Their
configuration is that of obstore too: environment variables. So are repeated requests.

Relied on: an object appears completely or not at all; what was written is read from then on; and
an object can be written on condition that it does not exist, or that it has not changed.
"""

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar

from jtdiag import files
from jtdiag.errors import StoreError
from jtdiag.printable import one_line

PREFIXES = {"s3": "AWS", "gs": "GOOGLE", "az": "AZURE"}
"""What the environment variables of a store begin with, by the beginning of its addresses."""
_ADDRESS = re.compile(rf"({'|'.join(PREFIXES)})://")
_SERVER = re.compile(r"(AWS|AZURE)_\w*(ENDPOINT|ACCOUNT_NAME|EMULATOR)\w*")
"""Environment variables that say where an address leads to."""
AT_A_TIME = 16
"""Objects that are read or written at the same time."""
FIRST_ATTEMPTS = {"max_retries": 3, "retry_timeout": timedelta(seconds=20)}
"""Of the first request: an address that is wrong is to be reported soon."""
CAUSES = {
    "NoSuchBucket": "there is no such bucket; create it, or give another address",
    "ContainerNotFound": "there is no such container; create it, or give another address",
    "/latest/api/token": "there are no credentials; set the environment variables of the store",
    "/computeMetadata/": "there are no credentials; set the environment variables of the store",
    "/metadata/identity/": "there are no credentials; set the environment variables of the store",
    "Account must be specified": "there is no account; set AZURE_STORAGE_ACCOUNT_NAME",
    "AccessDenied": "access is denied; check the credentials and what they allow",
    "PermissionMismatch": "access is denied; check the credentials and what they allow",
    "InvalidAccessKeyId": "the credentials are refused; check the environment variables",
    "SignatureDoesNotMatch": "the credentials are refused; check the environment variables",
    "AuthenticationFailed": "the credentials are refused; check the environment variables",
    "AuthorizationFailure": "the credentials are refused; check the environment variables",
    "builder error": "the server is asked without encryption; {prefix}_ALLOW_HTTP=true allows that",
    "error sending request": "the server does not answer; check its address and the network",
}
"""What is wrong and what to do, by what is in the message of obstore."""
_Result = TypeVar("_Result")


class ChangedError(StoreError):
    """An object that was to be written is not the one that it was expected to be."""


@dataclass(frozen=True, kw_only=True)
class Version:
    """One content of an object."""

    tag: str | None
    """What differs between two contents, in quotation marks."""
    number: str | None = None
    """The number of the content, in stores that count them."""
    modified: float = 0.0
    """When it was written, in seconds since 1970, by the clock of the store."""
    size: int = 0
    """Number of bytes."""

    @property
    def condition(self) -> dict[str, str]:
        """The condition that an object has this version, for obstore."""
        fields = {"e_tag": self.tag, "version": self.number}
        return {name: value for name, value in fields.items() if value is not None}

    @classmethod
    def of(cls, fields: Mapping[str, Any]) -> "Version":
        """Return the version that the store answers with."""
        tag = fields["e_tag"]
        if tag is not None and not tag.endswith('"'):  # lists of Azure have no quotation marks
            tag = f'"{tag}"'
        modified = fields["last_modified"].timestamp() if "last_modified" in fields else 0.0
        return cls(
            tag=tag,
            number=fields["version"],
            modified=modified,
            size=fields.get("size", 0),
        )


def is_address(place: object) -> bool:
    """Return whether a place is an address of objects, such as "s3://bucket/run", and no path."""
    return isinstance(place, str) and _ADDRESS.match(place) is not None


def was_address(path: Path) -> bool:
    """Return whether a path was made of an address, which leaves one of two slashes out."""
    return _ADDRESS.match(str(path).replace(":/", "://", 1)) is not None


class ObjectFolder:
    """The objects whose names begin with an address. Names are relative to it.

    Args:
        address: Such as "s3://bucket/runs/demo".

    Raises:
        StoreError: if obstore is not installed, the store does not answer, refuses, or has no
            such bucket.
    """

    def __init__(self, address: str) -> None:
        self.address = address.rstrip("/")
        if not self.name:
            raise StoreError(
                f"{address} is not a place in a bucket; give one, such as {self.address}/run."
            )
        self._obstore = _library(self.address)
        with self._explained():
            first = self._store(retry_config=FIRST_ATTEMPTS)
            next(iter(self._obstore.list(first, chunk_size=1)), None)
            self._objects = self._store()

    def _store(self, **options: Any) -> Any:
        return import_module("obstore.store").from_url(self.address, **options)

    @property
    def name(self) -> str:
        """The last part of the address; empty if it is a bucket."""
        return self.address.partition("://")[2].partition("/")[2].rpartition("/")[2]

    @property
    def place(self) -> str:
        """The address with what the environment says of the server or account that it is of."""
        variables = (f"{name}={os.environ[name]}" for name in sorted(os.environ))
        return " ".join([*filter(_SERVER.match, variables), self.address])

    def versions(self, prefix: str = "") -> dict[str, Version]:
        """Return the versions of all objects by name.

        Args:
            prefix: A folder; empty for all.
        """
        with self._explained():
            listed = self._obstore.list(self._objects, prefix or None).collect()
        return {fields["path"]: Version.of(fields) for fields in listed}

    def version(self, name: str) -> Version | None:
        """Return the version of an object; None if there is none."""
        with self._explained():
            try:
                return Version.of(self._obstore.head(self._objects, name))
            except FileNotFoundError:
                return None

    def read(self, name: str) -> tuple[bytes, Version] | None:
        """Return the content and version of an object; None if there is none."""
        with self._explained():
            try:
                answer = self._obstore.get(self._objects, name)
                return bytes(answer.bytes()), Version.of(answer.meta)
            except FileNotFoundError:
                return None

    def write(self, name: str, content: bytes, expected: Version | None) -> Version:
        """Write an object if it is what it is expected to be.

        Args:
            name: Its name.
            content: The content.
            expected: The version that is replaced; None if there is to be none.

        Raises:
            ChangedError: if it is not.
        """
        known = self._obstore.exceptions
        mode = expected.condition if expected else "create"
        with self._explained():
            try:
                answer = self._obstore.put(self._objects, name, content, mode=mode)
                return Version.of(answer)
            except (known.AlreadyExistsError, known.PreconditionError):
                stored = self.read(name)
                if stored is not None and stored[0] == content:  # by a request that was repeated
                    return stored[1]
            except (known.NotSupportedError, NotImplementedError):  # by stores without conditions
                actual = self.version(name)
                if (actual and actual.tag) == (expected and expected.tag):
                    return self.overwrite(name, content)
        raise ChangedError(f"{self.address}/{name} was changed by another process.")

    def overwrite(self, name: str, content: bytes | Path) -> Version:
        """Write an object, whatever it was: a content, or that of a file."""
        with self._explained():
            return Version.of(self._obstore.put(self._objects, name, content))

    def upload(self, names: Iterable[str], folder: Path) -> dict[str, Version]:
        """Write files of a folder as the objects of the same names; return their versions."""
        return self._each(names, lambda name: self.overwrite(name, folder / name))

    def download(self, names: Iterable[str], folder: Path) -> dict[str, Version]:
        """Write objects into a folder; return the versions of those that there are."""

        def one_of(name: str) -> Version | None:
            stored = self.read(name)
            if stored is None:
                return None
            place = folder / name
            place.parent.mkdir(parents=True, exist_ok=True)
            with files.replacing(place) as draft:
                draft.write_bytes(stored[0])
                os.utime(draft, (stored[1].modified, stored[1].modified))
            return stored[1]

        versions = self._each(names, one_of)
        return {name: version for name, version in versions.items() if version is not None}

    def remove(self, names: Iterable[str]) -> None:
        """Remove objects; nothing happens to those that there are not."""
        with self._explained():
            for name in names:
                try:
                    self._obstore.delete(self._objects, name)
                except FileNotFoundError:
                    continue

    def _each(self, names: Iterable[str], act: Callable[[str], _Result]) -> dict[str, _Result]:
        ordered = sorted(names)
        with ThreadPoolExecutor(AT_A_TIME) as threads:
            return dict(zip(ordered, threads.map(act, ordered), strict=True))

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn errors of obstore into a `StoreError` of one line."""
        try:
            yield
        except self._obstore.exceptions.BaseError as error:
            raise StoreError(f"{self.address}: {self._cause(error)}.") from error

    def _cause(self, error: Exception) -> str:
        text = str(error)
        for sign, cause in CAUSES.items():
            if sign in text:
                return cause.format(prefix=PREFIXES[self.address.partition(":")[0]])
        return one_line(text.partition("\n\nDebug source")[0])


def _library(address: str) -> Any:
    try:
        return import_module("obstore")
    except ImportError as error:
        raise StoreError(
            f"{address}: object stores need obstore. Install it with: pip install 'jtdiag[cloud]'"
        ) from error
