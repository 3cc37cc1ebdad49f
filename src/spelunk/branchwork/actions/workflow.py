"""The GitHub Actions workflow that archives a document when its pull request is merged."""

from __future__ import annotations

from typing import Final

PATH: Final = ".github/workflows/archive-branchwork.yml"

WORKFLOW: Final = """\
# Archives the branchwork document of a pull request that was merged.
# Written by `spelunk branchwork install-workflow`; see docs/branchwork.md of Spelunk.
name: Archive branchwork

on:
  pull_request:
    types: [closed]

permissions:
  contents: write

concurrency:
  group: archive-branchwork-${{ github.event.pull_request.base.ref }}

jobs:
  archive:
    if: github.event.pull_request.merged == true
    runs-on: ubuntu-latest
    env:
      # Names that a contributor chose reach the shell as variables only, never as text of a script.
      HEAD_REF: ${{ github.event.pull_request.head.ref }}
      BASE_REF: ${{ github.event.pull_request.base.ref }}
      PR_NUMBER: ${{ github.event.pull_request.number }}
    steps:
      - uses: actions/checkout@v4
        with:
          ref: ${{ github.event.pull_request.base.ref }}
          fetch-depth: 0
      - uses: actions/setup-python@v5
        with:
          python-version: "3.12"
      - run: python -m pip install spelunk
      - name: Archive and push
        run: |
          git config user.name "github-actions[bot]"
          git config user.email "41898282+github-actions[bot]@users.noreply.github.com"
          for attempt in 1 2 3; do
            spelunk branchwork archive --branch="$HEAD_REF" --pr="$PR_NUMBER" --if-present
            git add --all
            if git diff --cached --quiet; then
              echo "nothing to archive"
              exit 0
            fi
            git commit --quiet --message "Archive the branchwork of #$PR_NUMBER"
            if git push origin "HEAD:refs/heads/$BASE_REF"; then
              exit 0
            fi
            git fetch origin "refs/heads/$BASE_REF"
            git reset --hard FETCH_HEAD
          done
          echo "the archive could not be pushed" >&2
          exit 1
"""
