"""What a program needs to generate with a bundle: one import."""

from kernelrt.bundle import Bundle
from kernelrt.engine import Engine
from kernelrt.errors import KernelrtError
from kernelrt.generate import Generation, Result, generate
from kernelrt.run_plan import Options
from kernelrt.sampling import Sampling
from kernelrt.step import Step, StepTimes
from kernelrt.text.find import tokenizer_for
from kernelrt.text.tokenizer import Tokenizer
from kernelrt.weights.checkpoint import Checkpoint
from kernelrt.weights.random import RandomWeights
from kernelrt.weights.source import open_checkpoint
from kernelrt.where import Phases

__all__ = [
    "Bundle",
    "Checkpoint",
    "Engine",
    "Generation",
    "KernelrtError",
    "Options",
    "Phases",
    "RandomWeights",
    "Result",
    "Sampling",
    "Step",
    "StepTimes",
    "Tokenizer",
    "generate",
    "open_checkpoint",
    "tokenizer_for",
]
