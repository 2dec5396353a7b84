"""A network while it learns: its optimiser, its averaged weights, and its checkpoint."""

import copy
import math
import os

import torch

from crops import fall_from

RATE = 2e-3
WARM_STEPS = 300
DECAY = 0.03
# Weights are averaged over about this many steps.
AVERAGED_STEPS = 400


def fast():
    """Convolutions in 16 bits where the processor multiplies tiles of them (AMX): two to three times as fast; weights and losses stay in 32."""
    return torch.autocast("cpu", torch.bfloat16, enabled=torch.cpu._is_amx_tile_supported())


def rate(step, steps):
    if step < WARM_STEPS:
        return RATE * (step + 1) / WARM_STEPS
    start = fall_from(steps)
    if step < start:
        return RATE
    return RATE * 0.5 * (1 + math.cos(math.pi * (step - start) / (steps - start))) + 1e-6


class Learner:
    """Goes on where its checkpoint ended, if there is one."""

    def __init__(self, network, folder):
        os.makedirs(folder, exist_ok=True)
        self.network, self.step, self.checkpoint = network.to(memory_format=torch.channels_last), 0, os.path.join(folder, "last.pt")
        self.averaged = copy.deepcopy(network)
        weights = [weight for weight in network.parameters() if weight.ndim > 1]
        others = [weight for weight in network.parameters() if weight.ndim <= 1]
        self.optimiser = torch.optim.AdamW([{"params": weights, "weight_decay": DECAY}, {"params": others, "weight_decay": 0.0}], lr=RATE)
        if os.path.exists(self.checkpoint):
            state = torch.load(self.checkpoint, weights_only=True)
            self.network.load_state_dict(state["network"])
            self.averaged.load_state_dict(state["averaged"])
            self.optimiser.load_state_dict(state["optimiser"])
            self.step = state["step"]

    def save(self):
        state = {"network": self.network.state_dict(), "averaged": self.averaged.state_dict(), "optimiser": self.optimiser.state_dict(), "step": self.step}
        torch.save(state, self.checkpoint + ".part")
        os.replace(self.checkpoint + ".part", self.checkpoint)

    def learn(self, loss, steps):
        for group in self.optimiser.param_groups:
            group["lr"] = rate(self.step, steps)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 10.0)
        self.optimiser.step()
        keep = min(1 - 1 / AVERAGED_STEPS, (self.step + 1) / (self.step + 10))
        with torch.no_grad():
            for mean, now in zip(self.averaged.state_dict().values(), self.network.state_dict().values()):
                mean.copy_(mean * keep + now * (1 - keep)) if mean.is_floating_point() else mean.copy_(now)
        self.step += 1
