# SPDX-License-Identifier: Apache-2.0
"""What the end-to-end tests stand on: the real daemon in a folder of its own, and clients made of
Python's own ssl, http.client and plistlib, which know nothing of Pomona's code."""
