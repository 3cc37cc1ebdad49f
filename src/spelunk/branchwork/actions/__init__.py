"""What the branchwork commands do."""
