#!/usr/bin/env python3
"""Make the package part of the training corpus; see training/README.md."""

import sys

from recipe.cli import main

sys.exit(main())
