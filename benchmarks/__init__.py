"""What is measured, and how: figures for README.md and RESULTS.md."""
