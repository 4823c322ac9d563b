"""Prints the figures of RenyiAccountantTests: ε of the sampled Gaussian mechanism by dp-accounting,
at the integer orders that sparseft tries. Needs `dp-accounting==0.6.0`."""

import dp_accounting
from dp_accounting.rdp import RdpAccountant

ORDERS = list(range(2, 64)) + [128, 256, 512, 1024]
CASES = [
    (0.01, 1.0, 1000, 1e-5),
    (0.01, 1.0, 1, 1e-5),
    (0.004, 0.6, 5000, 1e-6),
    (0.1, 2.0, 300, 1e-5),
    (0.25, 4.0, 100, 1e-3),
    (1.0, 10.0, 50, 1e-5),
    (0.02, 0.3, 100, 1e-5),
    (0.001, 8.0, 20, 1e-8),
]

for rate, noise, steps, delta in CASES:
    accountant = RdpAccountant(ORDERS)
    event = dp_accounting.PoissonSampledDpEvent(rate, dp_accounting.GaussianDpEvent(noise))
    accountant.compose(event, steps)
    print(f"    ({rate}, {noise}, {steps}, {delta}, {accountant.get_epsilon(delta):.9g}),")
