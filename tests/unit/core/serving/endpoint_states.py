"""States of endpoints."""

NAME = "Sample [trained model]"
