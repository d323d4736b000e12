# SPDX-License-Identifier: ISC
"""What the integration tests and the demonstration stand on."""
