"""What the HTTP API takes and gives, as models: the one source of the OpenAPI document."""
