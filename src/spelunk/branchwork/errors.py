"""Errors of branchwork. Each message is one line: the fault, and what to do.

.. code-block:: text

    BranchworkError (UsageError)
    ├── RepositoryError         no repository, no git, no branch here
    ├── DocumentMissingError    no document for the branch
    ├── DocumentExistsError     `create` never overwrites
    └── DocumentError           the document cannot be changed safely
"""

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
