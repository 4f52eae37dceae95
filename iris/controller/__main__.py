"""Runs the controller's program."""

import logging
import os

from iris.controller.main import main

status = main()
logging.shutdown()
# not sys.exit: after a failed start threads may wait for what will never come
os._exit(status)
