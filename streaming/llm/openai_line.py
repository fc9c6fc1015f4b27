"""Why a provider could not be reached, told apart as far as it helps: a person mends each in another place."""

import socket
import ssl
from collections.abc import Iterator

from streaming.llm.base import ModelError, ModelRefused, ModelUnavailable

# An https address of a server that speaks plain http.
NO_TLS = ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG")


def explain_line(error: Exception, *, host: str) -> ModelError:
    """The error of ours for a connection that did not come about, or broke."""
    for cause in _causes(error):
        match cause:
            case ssl.SSLCertVerificationError():
                return ModelRefused(
                    f"The certificate of the model provider at {host} cannot be trusted. "
                    "Check LONGHAUL_MODEL_BASE_URL; for a certificate of your own name its authority in SSL_CERT_FILE."
                )
            case ssl.SSLError(reason=reason) if reason in NO_TLS:
                return ModelRefused(
                    f"The model provider at {host} does not speak TLS. "
                    "LONGHAUL_MODEL_BASE_URL may have to begin with http://."
                )
            case socket.gaierror():
                return ModelUnavailable(
                    f"The name of the model provider at {host} was not found. "
                    "Check LONGHAUL_MODEL_BASE_URL and the network."
                )
            case ConnectionRefusedError():
                return ModelUnavailable(
                    f"Nothing listens at the model provider's address {host}. "
                    "Check LONGHAUL_MODEL_BASE_URL, and that the server runs: it could not be reached."
                )
    return ModelUnavailable(
        f"The model provider at {host} could not be reached or hung up. "
        "Check LONGHAUL_MODEL_BASE_URL and the network."
    )


def _causes(error: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__
