"""Text to token ids and back: the tokenizer, Gemma's chat template, streaming, and stop strings."""
