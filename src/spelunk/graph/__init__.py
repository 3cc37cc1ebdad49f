"""The symbol graph: which definition a name means, who uses it, and what a change reaches."""
