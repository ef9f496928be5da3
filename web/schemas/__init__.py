"""Shapes of requests and answers, by the names that the reference gives them."""
