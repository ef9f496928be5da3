"""Five tasks in a row, each of which takes no time."""

import cloaca

from . import witness

LENGTH = 5


def _add(number):
    @cloaca.task(id=f"step_{number}", dependencies=[f"step_{number - 1}"] if number > 1 else [])
    def step(context):
        return witness.Body(context, f"step_{number}").end()


for _number in range(1, LENGTH + 1):
    _add(_number)
