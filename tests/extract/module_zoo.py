"""Modules of other libraries: how many extract, and compute what the module computes; errors by frequency.

Run ``python tests/extract/module_zoo.py [LIBRARY ...]`` for the table. Weights are random; configurations of
transformers are tiny. A library that is not installed is named and left out.
"""

from __future__ import annotations

import importlib.util
import logging
import sys
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from nnstruct.errors import NnstructError
from nnstruct.extract import extract
from nnstruct.extract.capture import capture
from nnstruct.extract.masks import fix_masks
from nnstruct.extract.objects import flat_tensors
from nnstruct.modules.program.module import program_module

Example = tuple[str, Callable[[], tuple[nn.Module, Any]]]
TOLERANCE = 2e-3
LIBRARIES = {
    "transformers": "transformers", "timm": "timm", "torch-geometric": "torch_geometric", "ncps": "ncps",
    "snntorch": "snntorch",
}  # fmt: skip

_SYMBOLS = torch.tensor([[5, 6, 7, 8, 1, 1]])
_TEXT = {"input_ids": _SYMBOLS, "attention_mask": torch.tensor([[1, 1, 1, 1, 0, 0]])}
_SMALL = {
    "vocab_size": 99, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2,
    "intermediate_size": 32,
}  # fmt: skip
_GPT = {"vocab_size": 99, "n_embd": 16, "n_layer": 2, "n_head": 2, "n_positions": 32}
_ENCODERS: dict[str, dict[str, Any]] = {
    "Bert": {}, "Roberta": {}, "Electra": {"embedding_size": 16}, "Albert": {"embedding_size": 8},
    "DebertaV2": {}, "MPNet": {}, "Camembert": {}, "XLMRoberta": {}, "ConvBert": {"embedding_size": 16},
    "RoFormer": {"embedding_size": 16}, "SqueezeBert": {"embedding_size": 16}, "Esm": {"pad_token_id": 1},
    "Nystromformer": {}, "FNet": {},
    "ModernBert": {"pad_token_id": 1, "bos_token_id": 2, "eos_token_id": 3, "cls_token_id": 2,
                   "sep_token_id": 3},
}  # fmt: skip
_GROUPED = {"num_key_value_heads": 1}
_DECODERS: dict[str, dict[str, Any]] = {
    "Llama": _GROUPED, "Mistral": _GROUPED, "Qwen2": _GROUPED, "Qwen3": _GROUPED | {"head_dim": 8},
    "Gemma": _GROUPED | {"head_dim": 8}, "Gemma2": _GROUPED | {"head_dim": 8}, "Phi": {},
    "Phi3": {"pad_token_id": 0}, "GPTNeoX": {}, "OPT": {"ffn_dim": 32, "word_embed_proj_dim": 16},
    "Mixtral": _GROUPED | {"num_local_experts": 3}, "Mamba": {"state_size": 4}, "Falcon": {},
    "StableLm": {"num_key_value_heads": 2}, "Olmo": {},
}  # fmt: skip
_PICTURES: dict[str, str] = {
    "ViT": "ViTModel", "DeiT": "DeiTModel", "Beit": "BeitModel", "Dinov2": "Dinov2Model",
    "CLIPVision": "CLIPVisionModel", "SiglipVision": "SiglipVisionModel",
}  # fmt: skip
_TIMM = (
    "resnet10t", "resnet18", "mobilenetv3_small_050", "efficientnet_lite0", "regnety_002", "convnext_atto",
    "vit_tiny_patch16_224", "deit_tiny_patch16_224", "mixer_s32_224", "poolformer_s12", "ghostnet_050",
    "edgenext_xx_small", "mobilevit_xxs", "efficientvit_b0", "repvgg_a0", "densenet121", "dla34",
    "xcit_nano_12_p16_224", "swin_tiny_patch4_window7_224", "levit_128s", "tinynet_e",
    "mnasnet_small", "lcnet_050", "skresnet18", "pvt_v2_b0", "gmlp_ti16_224", "resmlp_12_224", "mobileone_s0",
    "pit_ti_224", "hardcorenas_a", "fastvit_t8",
)  # fmt: skip
_GRAPH_LAYERS = (
    "GCNConv", "SAGEConv", "GraphConv", "GATConv", "GATv2Conv", "TransformerConv", "TAGConv", "ARMAConv",
    "SGConv", "ChebConv", "LEConv", "ClusterGCNConv", "ResGatedGraphConv", "GENConv", "FiLMConv",
    "MFConv", "GeneralConv", "EGConv", "FeaStConv", "SuperGATConv", "GatedGraphConv", "PANConv", "LGConv",
)  # fmt: skip


def _transformers() -> Iterator[Example]:
    import transformers

    def made(name: str, kind: str, options: dict[str, Any], example: Any) -> Example:
        def make() -> tuple[nn.Module, Any]:
            return getattr(transformers, kind)(getattr(transformers, f"{name}Config")(**options)), example

        return name, make

    def cached(name: str, kind: str, options: dict[str, Any]) -> Example:
        def make() -> tuple[nn.Module, Any]:
            module = getattr(transformers, kind)(getattr(transformers, f"{name}Config")(**options)).eval()
            with torch.no_grad():
                past = module(input_ids=_SYMBOLS, use_cache=True).past_key_values
            return module, {"input_ids": torch.tensor([[9]]), "past_key_values": past}

        return f"{name} with cache", make

    for name, extra in _ENCODERS.items():
        example = {"input_ids": _SYMBOLS} if name == "FNet" else _TEXT
        yield made(name, f"{name}Model", _SMALL | extra, example)
    for name, extra in _DECODERS.items():
        yield made(name, f"{name}ForCausalLM", _SMALL | extra, _TEXT)
    for name in ("GPT2", "GPTJ"):
        extra = {"rotary_dim": 4} if name == "GPTJ" else {}
        yield made(name, "GPT2LMHeadModel" if name == "GPT2" else "GPTJForCausalLM", _GPT | extra, _TEXT)
    bloom = {"vocab_size": 99, "hidden_size": 16, "n_layer": 2, "n_head": 2}
    yield made("Bloom", "BloomForCausalLM", bloom, _TEXT)
    yield cached("GPT2", "GPT2LMHeadModel", _GPT)
    for name in ("Llama", "Qwen2", "Mistral"):
        yield cached(name, f"{name}ForCausalLM", _SMALL | _GROUPED)
    picture = {"pixel_values": torch.randn(1, 3, 32, 32)}
    sizes = {key: value for key, value in _SMALL.items() if key != "vocab_size"}
    for name, kind in _PICTURES.items():
        yield made(name, kind, sizes | {"image_size": 32, "patch_size": 8}, picture)
    convnext = {"hidden_sizes": [8, 16], "depths": [1, 1], "num_stages": 2}
    yield made("ConvNext", "ConvNextModel", convnext, picture)
    t5 = {"vocab_size": 99, "d_model": 16, "d_kv": 8, "d_ff": 32, "num_layers": 2, "num_heads": 2}
    yield made("T5", "T5Model", t5, _TEXT | {"decoder_input_ids": _SYMBOLS})
    bart = {
        "vocab_size": 99, "d_model": 16, "encoder_layers": 1, "decoder_layers": 1, "encoder_ffn_dim": 32,
        "encoder_attention_heads": 2, "decoder_attention_heads": 2, "decoder_ffn_dim": 32,
    }  # fmt: skip
    yield made("Bart", "BartModel", bart, _TEXT)


def _timm() -> Iterator[Example]:
    import timm

    for name in _TIMM:
        size = 224 if "224" in name or name.startswith("levit") else 64
        yield name, lambda name=name, size=size: (  # type: ignore[misc]
            timm.create_model(name, num_classes=10), torch.randn(1, 3, size, size)
        )  # fmt: skip


def _graph_layers() -> Iterator[Example]:
    from torch_geometric import nn as layers

    edges = torch.tensor([[0, 1, 2, 2, 4, 3], [1, 2, 1, 0, 2, 0]])
    options: dict[str, Any] = {
        "ChebConv": {"K": 3}, "PANConv": {"filter_size": 2}, "EGConv": {"num_heads": 2}, "LGConv": None,
        "GatedGraphConv": None,
    }  # fmt: skip
    for name in _GRAPH_LAYERS:

        def make(name: str = name) -> tuple[nn.Module, Any]:
            kind, given = getattr(layers, name), options.get(name, {})
            if name == "GatedGraphConv":
                return kind(4, 2), (torch.randn(5, 4), edges)
            module = kind() if given is None else kind(3, 4, **given)
            return module, (torch.randn(5, 3), edges)

        yield name, make


def _ncps() -> Iterator[Example]:
    import ncps.torch as cells
    from ncps import wirings

    x = torch.randn(1, 3, 4)
    yield "CfC", lambda: (cells.CfC(4, 8), x)
    yield "CfC with AutoNCP", lambda: (cells.CfC(4, wirings.AutoNCP(16, 3)), x)
    yield "LTC", lambda: (cells.LTC(4, 8), x)
    yield "LTC with AutoNCP", lambda: (cells.LTC(4, wirings.AutoNCP(16, 3)), x)


def _snntorch() -> Iterator[Example]:
    import snntorch

    class Spiking(nn.Module):
        def __init__(self, kind: str, **options: Any) -> None:
            super().__init__()
            self.layer = nn.Linear(4, 5)
            self.cell = getattr(snntorch, kind)(**options)
            self.kind = kind

        def forward(self, x: Tensor) -> list[Tensor]:
            state = self.cell.reset_mem()
            state = state if isinstance(state, tuple) else (state,)
            spikes = []
            for time_step in x:
                spike, *state = self.cell(self.layer(time_step), *state)
                spikes.append(spike)
            return spikes

    x = torch.randn(3, 2, 4)
    for kind, options in {
        "Leaky": {"beta": 0.9}, "Lapicque": {"beta": 0.9}, "Synaptic": {"alpha": 0.9, "beta": 0.8},
        "Alpha": {"alpha": 0.9, "beta": 0.8},
    }.items():  # fmt: skip
        yield kind, lambda kind=kind, options=options: (Spiking(kind, **options), x)  # type: ignore[misc]


_EXAMPLES: dict[str, Callable[[], Iterator[Example]]] = {
    "transformers": _transformers, "timm": _timm, "torch-geometric": _graph_layers, "ncps": _ncps,
    "snntorch": _snntorch,
}  # fmt: skip


def outcome(make: Callable[[], tuple[nn.Module, Any]]) -> tuple[str, str]:
    """``right``, ``wrong``, ``error``, ``crash`` or ``unknown``, with what is to be said of it."""
    torch.manual_seed(0)
    try:
        module, example = make()
        module = module.eval()
    except Exception as error:  # the library's own
        return "unknown", f"{type(error).__name__}: {error}"
    start = time.perf_counter()
    try:
        network = extract(module, example)
        seconds = time.perf_counter() - start
        found = fix_masks(capture(module, example))
        given = [found.given[node] for node in found.inputs]
        with torch.no_grad():
            args, kwargs = ((), example) if isinstance(example, dict) else (
                example if isinstance(example, tuple) else (example,), {})  # fmt: skip
            made = flat_tensors(program_module(network).eval()(*given))  # type: ignore[arg-type]
            expected = flat_tensors(module(*args, **kwargs))
    except NnstructError as error:
        return "error", str(error)
    except Exception as error:
        return "crash", f"{type(error).__name__}: {error}"
    numbers = [[value for value in side if value.is_floating_point()] for side in (made, expected)]
    alike = len(numbers[0]) > 0 and all(
        one.shape == other.shape and torch.allclose(one, other, atol=TOLERANCE, rtol=TOLERANCE)
        for one, other in zip(*numbers, strict=False)
    )
    structure = network.structure
    return (
        "right" if alike else "wrong",
        f"{structure.num_units} units, {structure.num_edges} edges, {seconds:.1f} s",
    )


def main(libraries: list[str]) -> dict[str, Counter[str]]:
    """Print a row a module and, for each library, the counts and the errors by frequency."""
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    found = {}
    for library in libraries or list(LIBRARIES):
        if importlib.util.find_spec(LIBRARIES[library]) is None:
            print(f"{library}: not installed")
            continue
        kinds: Counter[str] = Counter()
        errors: Counter[str] = Counter()
        for name, make in _EXAMPLES[library]():
            kind, text = outcome(make)
            kinds[kind] += 1
            if kind != "right":
                errors[text[:80]] += 1
            print(f"{library} {name}: {kind} {text[:160]}", flush=True)
        print(f"{library}: {dict(kinds)}; {errors.most_common(8)}", flush=True)
        found[library] = kinds
    return found


if __name__ == "__main__":
    main(sys.argv[1:])
