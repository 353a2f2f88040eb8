"""The verbs of `kernelrt`, one file each: parse, call, print. Nothing heavy is imported before a verb runs."""
