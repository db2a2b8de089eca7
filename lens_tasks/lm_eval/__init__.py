"""Tasks for lm-eval: YAML files, and the sibling modules their `!function` tags name. Nothing to import from here."""
