"""Text that others wrote, made safe to show."""

from typing import Final

_KEPT: Final = {"\n", "\t"}


def printable(text: str) -> str:
    """Write control characters as escapes, so that a tenant's text cannot drive the terminal.

    Parameters:
        text: any text; line ends and tabs are kept.

    Returns:
        The text with every other character that is not printable written as `\\x1b` or `\\u202e`.
    """
    if text.isprintable():
        return text
    return "".join(
        character
        if character.isprintable() or character in _KEPT
        else character.encode("unicode_escape").decode("ascii")
        for character in text
    )


def masked(secret: str) -> str:
    """Show enough of a key to tell it from another: `clk_…Zk9q`.

    Parameters:
        secret: a key, or a reference to one (`env:`, `file:`, `keyring:`), which is no secret.

    Returns:
        The reference as it is; of a key, its first and last four characters.
    """
    if secret.startswith(("env:", "file:", "keyring:")):
        return secret
    return f"{secret[:4]}…{secret[-4:]}" if len(secret) >= 12 else "…"
