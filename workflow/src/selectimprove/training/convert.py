"""A pretrained model without a network: the GGUF file of an installed Python package, made a checkpoint.

The file's quantised weights are unpacked to float32 and written as safetensors, with the tokenizer and chat template
that the file also holds. What is trained is thus the quantised model, not the one that it was quantised from.
"""

from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

from selectimprove.experiment.config import find_packaged_file
from selectimprove.experiment.specs import ConvertSpec
from selectimprove.provenance.records import digest_file
from selectimprove.training.trainers import put_checkpoint


def convert(spec: ConvertSpec, checkpoint: Path) -> None:
    """Write the checkpoint of a packaged model. Raises ValueError if its file is not the one that `revision` pins."""
    file = find_packaged_file(spec.model.source)
    digest = digest_file(file)
    if digest != spec.model.revision:
        raise ValueError(f"model.revision: found {spec.model.revision}, but the SHA-256 of {file} is {digest}")
    with put_checkpoint(checkpoint, spec, {}) as folder:
        # Unless it is unpacked, transformers counts the model as quantised, and saves nothing.
        unpacked = GgufConfig(dequantize=True)
        settings = {"gguf_file": file.name, "dtype": torch.float32, "quantization_config": unpacked}
        AutoModelForCausalLM.from_pretrained(file.parent, **settings).save_pretrained(folder)
        AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name).save_pretrained(folder)
