# SPDX-License-Identifier: ISC
"""One module a server."""
