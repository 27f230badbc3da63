"""What the tests of several folders share: a running server, messages, errors, processes."""
