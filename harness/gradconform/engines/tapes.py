"""What belongs to tapes: what an engine that differentiates functions could only have by imitation."""

from __future__ import annotations

from gradconform.errors import Unsupported

TAPES = {
    "grad modes": ("no_grad", "enable_grad", "set_grad_enabled", "inference_mode", "is_grad_enabled"),
    "hooks": (
        "register_hook",
        "register_prehook",
        "register_post_accumulate_grad_hook",
        "autograd.graph.register_multi_grad_hook",
    ),
    "saved tensors": (
        "autograd.graph.saved_tensors_hooks",
        "autograd.graph.save_on_cpu",
        "autograd.graph.disable_saved_tensors_hooks",
        "autograd.graph.allow_mutation_on_saved_tensors",
    ),
    "custom functions": ("autograd.Function", "autograd.function.once_differentiable"),
    "retain_grad": ("retain_grad",),
    "detached tensors": ("detach", "data"),
    "graphs": (
        "grad_fn",
        "next_functions",
        "variable",
        "autograd.graph.get_gradient_edge",
        "autograd.graph.increment_version",
    ),
    "flags": (
        "requires_grad",
        "is_leaf",
        "retains_grad",
        "output_nr",
        "_version",
        "_base",
        "_is_view",
        "is_inference",
        "is_inference_mode_enabled",
    ),
}
"""What belongs to tapes, by what a report calls it."""

FEATURES = {word: feature for feature, words in TAPES.items() for word in words}


def refuse(name: str) -> None:
    """Raise Unsupported, as the shim does, for a word that belongs to tapes."""
    if name in FEATURES:
        raise Unsupported(FEATURES[name], shim=True)
