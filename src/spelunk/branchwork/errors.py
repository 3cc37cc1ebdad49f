"""What branchwork raises on purpose. Each message is one line: what is wrong, and what to do.

.. code-block:: text

    BranchworkError (UsageError)
    ├── RepositoryError    no repository, no git, no branch here
    ├── DocumentMissingError    no document for the branch asked for
    ├── DocumentExistsError     `create` never overwrites
    └── DocumentError      the document cannot be changed safely
"""

from __future__ import annotations

from spelunk.errors import UsageError


class BranchworkError(UsageError):
    """The root of what branchwork raises."""


class RepositoryError(BranchworkError):
    """Git is missing, this is no repository, or no branch is checked out."""


class DocumentMissingError(BranchworkError):
    """There is no document for what was asked."""


class DocumentExistsError(BranchworkError):
    """A document for the branch exists already; it is never overwritten."""


class DocumentError(BranchworkError):
    """The document is in a state in which an edit could damage it."""
