"""A trial's configuration as a few lines of plain PyTorch, to be put into somebody's own code."""

from __future__ import annotations

from trainables.protocol import Parameters
from trainables.settings.adversarial import AdversarialSettings
from trainables.settings.named import is_reference

_LOSSES = {
    "non_saturating": (
        "softplus(-on_real).mean() + softplus(on_fake).mean()",
        "softplus(-on_fake).mean()",
    ),
    "minimax": (
        "softplus(-on_real).mean() + softplus(on_fake).mean()",
        "-softplus(on_fake).mean()",
    ),
    "least_squares": (
        "0.5 * (on_real - 1).square().mean() + 0.5 * on_fake.square().mean()",
        "0.5 * (on_fake - 1).square().mean()",
    ),
    "hinge": ("relu(1 - on_real).mean() + relu(1 + on_fake).mean()", "-on_fake.mean()"),
    "wasserstein": ("on_fake.mean() - on_real.mean()", "-on_fake.mean()"),
}
"""D's and G's loss."""

_OWN = "d_loss_of(on_real, on_fake)", "g_loss_of(on_fake)"
"""Those of a loss that is not among them."""

_PENALTY = """\
            at = real.lerp(fake, torch.rand(len(real), *[1] * (real.dim() - 1))).requires_grad_()
            (slope,) = torch.autograd.grad(discriminator(at).sum(), at, create_graph=True)
            d_loss = d_loss + {weight!r} * (slope.flatten(1).norm(dim=1) - 1).square().mean()
"""
_R1 = """\
            at = real.detach().requires_grad_()
            (slope,) = torch.autograd.grad(discriminator(at).sum(), at, create_graph=True)
            d_loss = d_loss + {weight!r} * 0.5 * slope.flatten(1).square().sum(1).mean()
"""


def plain_training(settings: AdversarialSettings, parameters: Parameters) -> tuple[str, list[str]]:
    """Writes the training of a trial as plain PyTorch.

    Args:
        settings: The trial's, with what was sampled.
        parameters: b, a and d_steps.

    Returns:
        A function ``train(generator, discriminator, batches, latents)``, whose last two arguments give the
        next real batch and ``count`` latents, and what of the configuration it leaves out.
    """
    left_out = _left_out(settings)
    d_loss, g_loss = _LOSSES.get(settings.loss, _OWN)
    update, penalty = _penalty(settings, parameters)
    same = settings.generator_latents == "same"
    again = "z" if same else f"latents({settings.batch_size})"
    return (
        f"""\
import torch
from torch.nn.functional import relu, softplus


def train(generator, discriminator, batches, latents):
    d_optimiser = {_optimiser(settings, "discriminator", parameters.b)}
    g_optimiser = {_optimiser(settings, "generator", parameters.a)}
    for step in range({settings.steps}):
{_rates(settings, parameters)}        for {update} in range({parameters.d_steps}):
            real, z = batches(), latents({settings.batch_size})
            fake = generator(z).detach()
            on_real, on_fake = discriminator(real).flatten(), discriminator(fake).flatten()
            d_loss = {d_loss}
{penalty}            d_optimiser.zero_grad()
            d_loss.backward()
            d_optimiser.step()
        on_fake = discriminator(generator({again})).flatten()
        g_optimiser.zero_grad()
        ({g_loss}).backward()
        g_optimiser.step()
""",
        left_out,
    )


def _penalty(settings: AdversarialSettings, parameters: Parameters) -> tuple[str, str]:
    """The name of the count of D's updates in a step, and the lines of the penalty."""
    weights = settings.regulariser
    penalty = ""
    if weights.gradient_penalty:
        penalty = _PENALTY.format(weight=weights.every * weights.gradient_penalty)
    if weights.r1:
        penalty += _R1.format(weight=weights.every * weights.r1)
    if weights.every == 1:
        return "_", penalty
    inner = penalty.replace("\n    ", "\n        ")
    count = f"step * {parameters.d_steps} + update"
    return "update", f"            if ({count}) % {weights.every} == 0:\n    {inner}"


def _left_out(settings: AdversarialSettings) -> list[str]:
    found = []
    if settings.loss not in _LOSSES:
        how = "write its functions d_loss_of and g_loss_of"
        if is_reference(settings.loss):
            how = f"d_loss_of, g_loss_of = {settings.loss.replace(':', '.')}()"
        found.append(f"loss {settings.loss} ({how})")
    if settings.update_rule != "alternating":
        found.append(f"update_rule {settings.update_rule} (the players alternate)")
    if settings.ema:
        found.append(f"ema {settings.ema:g} (samples were drawn from an average of G's weights)")
    if settings.precision != "fp32":
        found.append(f"precision {settings.precision} (float32 in full)")
    if settings.optimiser.name == "heavy_ball":
        found.append("optimiser heavy_ball (Adam stands in its place)")
    if settings.minutes is not None:
        found.append(f"minutes {settings.minutes:g}")
    return found


def _optimiser(settings: AdversarialSettings, network: str, rate: float) -> str:
    chosen, decay = settings.optimiser, settings.regulariser.weight_decay
    decayed = f", weight_decay={decay!r}" if decay else ""
    if chosen.name == "sgd":
        momentum = chosen.beta1 or 0.0
        return (
            f"torch.optim.SGD({network}.parameters(), lr={rate!r}, momentum={momentum!r}, "
            f"dampening=0{decayed})"
        )
    betas = (
        0.5 if chosen.beta1 is None else chosen.beta1,
        0.999 if chosen.beta2 is None else chosen.beta2,
    )
    return (
        f"torch.optim.Adam({network}.parameters(), lr={rate!r}, betas={betas}, "
        f"eps={chosen.eps!r}{decayed})"
    )


def _rates(settings: AdversarialSettings, parameters: Parameters) -> str:
    """The lines that set the rates of a step."""
    schedule = settings.schedule
    if schedule.name == "constant":
        return ""
    if schedule.name == "cosine":
        half = f"0.5 * (1 + torch.cos(torch.tensor(torch.pi * step / {settings.steps})).item())"
        factors = [f"({schedule.final!r} + {1 - schedule.final!r} * {half})"] * 2
    else:
        unit = f"(1 + step // {schedule.stretch})"
        factors = [f"{unit} ** -{schedule.tau_b!r}", f"{unit} ** -{schedule.tau_a!r}"]
    pairs = zip(("d", "g"), (parameters.b, parameters.a), factors, strict=True)
    return "".join(
        f'        {player}_optimiser.param_groups[0]["lr"] = {rate!r} * {factor}\n'
        for player, rate, factor in pairs
    )
