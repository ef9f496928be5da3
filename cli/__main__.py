"""`python -m cli` is `cloacinactl`."""

import sys

from cli.main import main

sys.exit(main())
