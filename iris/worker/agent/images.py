"""Images of attempts, pulled once for all that wait for them."""

from __future__ import annotations

import json
import logging
import threading
from collections import defaultdict
from collections.abc import Callable, Collection

from iris.errors import IrisError, NoEngine, Unavailable
from iris.images.names import ImageName
from iris.images.refusals import refusal, says_disk_is_full
from iris.worker.runtimes.engine import Engine
from iris.worker.surroundings import MetadataServer

log = logging.getLogger(__name__)

PULLS = 2  # at once; more of them only make each other late
PATIENCE = 5.0  # seconds for the metadata server


class Images:
    """Those of this VM's engine."""

    def __init__(
        self,
        engine: Engine,
        metadata_address: str,
        in_use: Callable[[], Collection[str]],
    ) -> None:
        self._engine = engine
        self._metadata_address = metadata_address
        self._in_use = in_use
        # what is here through us, used longest ago first: all else is somebody's own
        self._pulled: dict[str, None] = {}
        self._locks: dict[str, threading.Lock] = defaultdict(threading.Lock)
        self._room = threading.Semaphore(PULLS)

    def ensure(self, image: str) -> None:
        """See that it is here; whoever comes meanwhile waits for the same pull.

        An image that is here is not asked after again, as with `docker run`. Raises
        NotFound or NotPermitted where the registry refuses it, Unavailable or NoEngine
        where another try may help, EngineFailed for all else.
        """
        with self._locks[image]:
            if not self._engine.has(image):
                with self._room:
                    self._pull(image)
            elif image not in self._pulled:
                return
            self._pulled.pop(image, None)
            self._pulled[image] = None

    def _pull(self, image: str) -> None:
        while True:
            try:
                self._engine.pull(image, self._login(image))
            except NoEngine:
                raise
            except IrisError as error:
                if says_disk_is_full(str(error)) and self._let_one_go():
                    continue
                raise refusal(f"image {image} cannot be pulled", str(error)) from error
            log.info("image pulled image=%s", image)
            return

    def _let_one_go(self) -> bool:
        """Remove what nobody has used for longest; False where there is none."""
        in_use = self._in_use()
        for image in [each for each in self._pulled if each not in in_use]:
            self._pulled.pop(image, None)
            if self._engine.remove_image(image):
                log.info("image removed for want of room image=%s", image)
                return True
        return False

    def _login(self, image: str) -> dict[str, str] | None:
        """The token of this VM's account, for a registry of Google."""
        registry = ImageName.parse(image).registry
        if not (self._metadata_address and _is_googles(registry)):
            return None
        server = MetadataServer(self._metadata_address, PATIENCE)
        told = server.get("service-accounts/default/token")
        if told is None:
            return None  # a public image needs none
        try:
            token = str(json.loads(told.value)["access_token"])
        except (ValueError, KeyError, TypeError) as error:
            raise Unavailable("the metadata server gives no token") from error
        return {"username": "oauth2accesstoken", "password": token}


def _is_googles(registry: str) -> bool:
    return registry == "gcr.io" or registry.endswith((".pkg.dev", ".gcr.io"))
