"""Whom to believe at a gateway that signs its own certificate."""

import ssl
from pathlib import Path

from services.kit.errors import StartError


class CertificateFileError(StartError):
    """A certificate to trust cannot be read."""

    code = "bad_certificate_file"
    title = "A certificate to trust cannot be used"


def trusting(certificate: Path | None) -> ssl.SSLContext:
    """The machine's usual trust, and `certificate` (PEM) where one is given.

    Raises:
        CertificateFileError: The file cannot be read or holds no certificate.
    """
    context = ssl.create_default_context()
    if certificate is not None:
        try:
            context.load_verify_locations(cafile=certificate)
        except OSError as error:  # ssl.SSLError is one too
            reason = "it holds no certificate" if isinstance(error, ssl.SSLError) else error.strerror
            raise CertificateFileError(
                f"{certificate} cannot be used: {reason}; write the gateway's certificate there as PEM."
            ) from None
    return context
