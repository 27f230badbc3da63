"""The client's methods, one module a service. `FillHandlerClient` is made of them."""
