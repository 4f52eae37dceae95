"""Which namespaces there are, nothing else: `inv --list`."""

from iris.commands._assembly import assemble

namespace = assemble()
