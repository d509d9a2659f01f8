"""The files with which a generator is given away: weights, samples, code that runs without this product."""

from __future__ import annotations

from collections.abc import Mapping

from trainables.kept import packed
from trainables.language.text import PADDING
from trainables.settings.gan import GanSettings
from trainables.taken import SHOWN, Taken

CODE = "generator.py"

_LOAD = '''
SEED = {seed}
"""Seed of the z with which it was scored."""


def load(file="{file}"):
    """The generator with its weights, ready to be drawn from."""
    network = build(){layout}
    network.load_state_dict(load_file(Path(__file__).with_name(file)))
    network.eval().requires_grad_(False){batch_norm}
    return network
'''

_BATCH_NORM = """
    for layer in network.modules():
        if isinstance(layer, nn.modules.batchnorm._BatchNorm):  # by the statistics of the batch
            layer.train()
            layer.track_running_stats = False"""

_IMAGES = '''
@torch.no_grad()
def sample(network, count, seed=SEED):
    """Images, uint8, (count, channels, height, width); with SEED those that were scored."""
    stream, made = torch.Generator().manual_seed(seed), []
    for start in range(0, count, {batch_size}):
        z = {draw}
        images = network(z).add(1.0).mul_(127.5).round_().clamp_(0, 255).to(torch.uint8)
        made.append(images[: count - start])
    return torch.cat(made)
'''

_LINES = '''
CHARACTERS = {characters!r}


@torch.no_grad()
def sample(network, count, seed=SEED):
    """Lines of text; with SEED those that were scored."""
    z = {draw}
    tokens = torch.cat([network(part).argmax(dim=1) for part in torch.split(z, {batch_size})])
    return ["".join(CHARACTERS[i] for i in line).rstrip({padding!r}) for line in tokens.tolist()]
'''

_IMPORTS = "from pathlib import Path\n", "from safetensors.torch import load_file\n"


def files(taken: Taken) -> tuple[dict[str, bytes], str]:
    """Makes the files of a generator, by name.

    Returns:
        The files, and why there is no code that runs without this product ("" if there is).
    """
    made = {
        f"{part}.safetensors": packed(t, _public(taken.facts)) for part, t in taken.weights.items()
    }
    if taken.of_images:
        made["samples.png"] = taken.grid()
    else:
        made["samples.txt"] = ("\n".join(taken.lines(SHOWN)) + "\n").encode()
    network, reason = taken.code()
    if network:
        made[CODE] = _module(taken, network).encode()
    return made, reason


def loading(taken: Taken) -> str:
    """The lines that load the generator and draw from it, beside its files."""
    drawn = "images = sample(generator, 64)  # uint8, (64, C, H, W)"
    if not taken.of_images:
        drawn = "lines = sample(generator, 64)"
    return f"from generator import load, sample\n\ngenerator = load()\n{drawn}\n"


def _module(taken: Taken, network: str) -> str:
    """The network's code, with what loads its weights and draws from it."""
    first, rest = network.split("\n", 1)  # from __future__ stays first
    about = (
        f'"""{taken.facts.get("identity", "A generator")}: plain PyTorch, made by ttur export."""\n'
    )
    batched = (
        isinstance(taken.settings, GanSettings) and taken.settings.sampling.batch_norm == "training"
    )
    load = _LOAD.format(
        seed=taken.seed,
        file=f"{taken.part}.safetensors",
        layout=f".to(memory_format={taken.layout})",
        batch_norm=_BATCH_NORM if batched else "",
    )
    size = "count" if not taken.of_images else str(taken.batch_size)
    values = {"batch_size": taken.batch_size, "draw": _draw(taken, size)}
    if taken.of_images:
        drawn = _IMAGES.format(**values)
    else:
        characters = taken.facts["characters"]
        drawn = _LINES.format(**values, characters=characters, padding=PADDING).replace(
            "    z = ", "    stream = torch.Generator().manual_seed(seed)\n    z = "
        )
    head = f"{about}\n{first}\n\n{_IMPORTS[0]}\n{rest.rstrip()}\n"
    body = head.replace("\nfrom torch import nn\n", f"\nfrom torch import nn\n{_IMPORTS[1]}", 1)
    return f"{body}\n{load}\n{drawn}"


def _draw(taken: Taken, count: str) -> str:
    shape = f"({count}, {taken.latent.length}), generator=stream"
    if taken.latent.distribution == "uniform":
        return f"torch.rand({shape}).mul_(2).sub_(1)"
    return f"torch.randn({shape})"


def _public(facts: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in facts.items() if name != "format"}
