"""Errors of branchwork. Each message is one line: the fault, and what to do."""

from __future__ import annotations

from spelunk.errors import UsageError


class BranchworkError(UsageError):
    """Base of the errors of branchwork."""


class RepositoryError(BranchworkError):
    """Git is missing, this is no repository, or no branch is checked out."""


class DocumentMissingError(BranchworkError):
    """There is no such document."""


class DocumentExistsError(BranchworkError):
    """The branch has a document already; it is never overwritten."""


class DocumentError(BranchworkError):
    """An edit could damage the document."""
