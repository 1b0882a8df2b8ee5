"""All commands, brought into the table by importing their modules."""

from __future__ import annotations

from . import shell_config, shell_control, shell_quota, shell_reads, shell_writes
from .shell_table import COMMANDS, Command

__all__ = ["COMMANDS", "Command", "shell_config", "shell_control", "shell_quota", "shell_reads", "shell_writes"]
