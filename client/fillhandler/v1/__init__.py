"""Messages and stubs of the `fillhandler.v1` contract, generated from protos/ by `make protos`."""
