"""The command `fillhandler`. `app` mounts into another Typer application: `other.add_typer(app,
name="fill")`.
"""

import os

# gRPC's core writes remarks of its own to stderr (a server that stops, a name that has two addresses), where
# only our sentences belong. It reads this once, when it is first imported, so it stands before the imports.
os.environ.setdefault("GRPC_VERBOSITY", "ERROR")

from fillhandler.cli.application import app, main

__all__ = ["app", "main"]
