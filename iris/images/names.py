"""Names of container images, taken apart as Docker does."""

from __future__ import annotations

import msgspec

from iris.domain.endpoints import is_loopback


class ImageName(msgspec.Struct, frozen=True):
    """`REGISTRY/REPOSITORY:TAG@DIGEST`; all but the repository may be empty."""

    registry: str
    repository: str
    tag: str = ""
    digest: str = ""

    @classmethod
    def parse(cls, text: str) -> ImageName:
        """Take a name apart. The first part is a registry if it looks like one."""
        rest, _, digest = text.partition("@")
        first, slash, after = rest.partition("/")
        registry = ""
        if slash and ("." in first or ":" in first or first == "localhost"):
            registry, rest = first, after
        repository, colon, tag = rest.rpartition(":")
        if not colon:
            repository, tag = rest, ""
        return cls(registry, repository, tag, digest)

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        return f"{self.place}{tag}{f'@{self.digest}' if self.digest else ''}"

    @property
    def place(self) -> str:
        """Where it lies, without tag and digest."""
        if not self.registry:
            return self.repository
        return f"{self.registry}/{self.repository}"

    @property
    def is_of_this_machine(self) -> bool:
        """Is its registry on loopback?"""
        return is_loopback(f"http://{self.registry}") if self.registry else False

    def tagged(self, tag: str) -> ImageName:
        """The same under a tag alone."""
        return ImageName(self.registry, self.repository, tag)

    def pinned(self, digest: str) -> ImageName:
        """The same by its content alone: tags move, digests do not."""
        return ImageName(self.registry, self.repository, digest=digest)

    def answered_by(self, registry: str) -> ImageName:
        """The same in another registry, as a rehearsal's stands in for the cloud's."""
        return ImageName(registry, self.repository, self.tag, self.digest)
