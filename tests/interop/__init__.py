# SPDX-License-Identifier: ISC
"""Real mail servers as the customer's, behind a real fetchmail."""
