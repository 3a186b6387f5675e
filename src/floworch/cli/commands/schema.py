"""``floworch schema``."""

from __future__ import annotations

from floworch.cli.errors import ends_with_exit_code
from floworch.cli.json_output import print_json
from floworch.cli.parameters import Debug, command_app
from floworch.core.model.schema import manifest_json_schema

__all__ = ["app", "schema"]

app = command_app()


@app.command()
@ends_with_exit_code
def schema(debug: Debug = False) -> None:
    """Print the JSON Schema of manifests, for editors."""
    print_json(manifest_json_schema())
