"""`python -m fillhandler.cli`, where the script `fillhandler` is not installed."""

from fillhandler.cli import main

if __name__ == "__main__":
    main()
