"""`python -m fillhandler_server`: the same as `fillhandler serve`."""

import typer

from fillhandler_server.commands import serve

if __name__ == "__main__":
    typer.run(serve)
