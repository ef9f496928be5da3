"""One module a noun: its verbs, which parse, ask the API and print."""
