# SPDX-License-Identifier: Apache-2.0
"""Mdm-Signature as `openssl cms` makes it: a witness that knows nothing of our code."""

import base64
import pathlib
import subprocess
import tempfile

RUN_SECONDS = 60


def sign_der(identity, body, *options, more=()):
    """The CMS message in DER; `options` go to openssl, `more` are further signers."""
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        (folder / "body").write_bytes(body)
        words = ["openssl", "cms", "-sign", "-binary", "-in", "body", "-outform", "DER", *options]
        for number, signer in enumerate((identity, *more)):
            signer.write(folder / f"{number}.pem")
            words += ["-signer", f"{number}.pem"]
        return subprocess.run(words, cwd=folder, check=True, capture_output=True, timeout=RUN_SECONDS).stdout


def sign(identity, body, *options, more=()):
    """The value of the header."""
    return base64.b64encode(sign_der(identity, body, *options, more=more)).decode()
