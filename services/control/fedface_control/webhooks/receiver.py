"""One receiver of messages: a URL from the settings. No redirect is followed, and of an answer only the status is read.

So nobody who can steer a receiver can have FedFace ask another server, or keep a long answer.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Final
from urllib.parse import urlsplit

import urllib3
from urllib3.exceptions import HTTPError

from fedface_control.webhooks.message import Message, headers_of
from fedface_core.domain.errors import FedFaceError, UnavailableError

CONNECT_SECONDS: Final = 5.0
ANSWER_SECONDS: Final = 10.0
GONE: Final = 410


class RefusedMessageError(FedFaceError):
    """A receiver has answered, and not with success. ``gone``: it wants no messages of this kind any more."""

    title = "Refused webhook"

    def __init__(self, reason: str, *, gone: bool) -> None:
        super().__init__(reason)
        self.gone = gone


class Receiver:
    """A URL, and the secret by which its messages are signed. ``name`` stands for it in the ledger, ``host`` in logs."""

    def __init__(
        self, url: str, secret: str, *, connect_seconds: float = CONNECT_SECONDS, answer_seconds: float = ANSWER_SECONDS
    ) -> None:
        self.name = sha256(url.encode()).hexdigest()[:16]
        self.host = urlsplit(url).netloc
        self._url = url
        self._secret = secret
        timeout = urllib3.Timeout(connect=connect_seconds, read=answer_seconds)
        self._pool = urllib3.PoolManager(timeout=timeout, retries=False)

    def send(self, message: Message) -> None:
        """Send a message once. `UnavailableError` if the receiver cannot be reached or does not answer in time,
        `RefusedMessageError` if its answer is none of success (2xx).
        """
        try:
            answer = self._pool.request(
                "POST",
                self._url,
                body=message.body.encode(),
                headers=headers_of(message, self._secret),
                redirect=False,
                preload_content=False,
            )
        except HTTPError as error:
            raise UnavailableError(f"{self.host} does not answer: {type(error).__name__}") from error
        answer.close()
        if not 200 <= answer.status < 300:
            raise RefusedMessageError(f"{self.host} answers {answer.status}", gone=answer.status == GONE)
