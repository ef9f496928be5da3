"""How gunicorn serves the API: `gunicorn -c python:web.gunicorn_conf`. It takes our settings.

One process with threads: what it counts is then what /metrics says, and one pool of connections
serves all. For more, run more replicas.
"""

import gc
import os
import signal
import sys
from typing import Any

from gunicorn import glogging

from cloacina import logs
from cloacina.errors import ConfigurationError
from cloacina.processes import die_with_parent
from cloacina.settings import load_settings
from web import state

try:
    _settings = load_settings()
    state.refuse_incomplete(_settings)
except ConfigurationError as error:
    sys.exit(f"Error: {error}")


class _Logger(glogging.Logger):  # type: ignore[misc]  # it comes without types
    """Sends the server's lines where all our lines go; requests are logged by `web.request_id`."""

    def setup(self, cfg: object) -> None:
        self.cfg = cfg
        logs.configure(_settings.log_level)
        self.error_log.propagate = True


wsgi_app = "web.wsgi:app"
bind = [address for address in (_settings.bind, _settings.metrics_bind) if address]

# what is loaded before the fork is there once; nothing connects before it is asked
preload_app = True
worker_class = "gthread"
workers = 1
# uploads, slow clients and probes hold threads without holding connections
threads = 2 * _settings.database_pool_size + 8
# longer than proxies keep an idle connection, so that they never send into a closing one
keepalive = 150
timeout = 60
graceful_timeout = 30

logger_class = _Logger
control_socket_disable = True
# the heartbeat file must not wait for a disk
worker_tmp_dir = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108


def pre_fork(_server: Any, _worker: Any) -> None:
    """Let what is loaded be: a collection would write to its pages, which are shared until then."""
    gc.collect()
    gc.freeze()


def post_fork(server: Any, _worker: Any) -> None:
    """Have a worker end with its master at once; by itself it looks only now and then."""
    die_with_parent(signal.SIGKILL, server.pid)


def worker_exit(_server: Any, worker: Any) -> None:
    """Take leave of the database, which would log each lost connection."""
    app = getattr(worker, "wsgi", None)
    if app is not None:
        state.close(app)
