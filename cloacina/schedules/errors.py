"""What can go wrong with schedules."""

from cloacina.errors import NotFound


class TriggerNotFound(NotFound):
    """There is no such trigger or schedule."""

    code = "trigger_not_found"

    def __init__(self, name: str) -> None:
        super().__init__(f"trigger '{name}' not found")
