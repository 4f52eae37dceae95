"""What a person types after `inv`: one module, one namespace."""

import os
import sys

# Invoke keeps Python from writing bytecode; each command would compile Iris anew.
sys.dont_write_bytecode = "PYTHONDONTWRITEBYTECODE" in os.environ
