"""The text of a new document."""

from __future__ import annotations

from typing import Final

TEMPLATE: Final = """\
---
date:
slug:
status: draft  # draft | in-review | changes-requested | approved | merged
pr:  # number, a ticket may follow: 47 / BLZ-42
branch:
  name:
  base:  # the branch below; a value set by hand stays
  position:  # 1 stands on the trunk
  total:  # branches in the stack
reviewers: []
dri:  # who answers for this branch
scope:  # the parts it touches
risk:  # low | medium | high
backout_plan:  # how to take it back
last_updated:  # kept by spelunk branchwork
---

# [WIP]

## PR Stack Context

```text
```

## Issues

- [ ] …

## Definition of Done

- [ ] …

## Merge Checklist

- [ ] …

## CI Status

| Check | Status | Details |
|-------|--------|---------|

## Decisions

- …

## Notes

- …

## Updates

## Follow-up Work

- [ ] …
"""
