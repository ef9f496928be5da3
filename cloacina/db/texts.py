"""Texts of tenants' code, made fit to be stored."""


def storable(text: str, most_characters: int) -> str:
    """Make a text one that every database takes.

    Parameters:
        text: any text; it may hold what PostgreSQL has no text for (NUL) or UTF-8 has no bytes for
            (half of a surrogate pair).
        most_characters: of a longer one the middle is cut out: beginning and end say most.
    """
    if len(text) > most_characters:
        half = most_characters // 2
        text = f"{text[:half]}\n… {len(text) - 2 * half} characters left out …\n{text[-half:]}"
    return text.replace("\x00", "\\x00").encode(errors="backslashreplace").decode()
