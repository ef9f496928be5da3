"""How gunicorn serves the API: `gunicorn -c deploy/gunicorn.conf.py`, from wherever it lies.

Everything comes from the service's own settings, which `server start` uses as well.
"""

from web.gunicorn_conf import *  # noqa: F403
