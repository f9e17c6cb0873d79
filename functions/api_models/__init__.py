"""The models of requests and answers of the HTTP API: the one source of the OpenAPI document."""
