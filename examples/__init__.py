"""Programs that show floworch at work, one idea each. Run them from the root of the repository with ``python -m``."""
