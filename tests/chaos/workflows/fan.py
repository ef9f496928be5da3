"""One task, then fifty at once, then one that joins them."""

import cloaca

from . import witness

WIDTH = 50


@cloaca.task()
def split(context):
    """Begin."""
    return witness.Body(context, "split").end()


def _add(number):
    @cloaca.task(id=f"part_{number}", dependencies=["split"])
    def part(context):
        return witness.Body(context, f"part_{number}").end()


for _number in range(1, WIDTH + 1):
    _add(_number)


@cloaca.task(dependencies=[f"part_{number}" for number in range(1, WIDTH + 1)])
def join(context):
    """End."""
    return witness.Body(context, "join").end()
