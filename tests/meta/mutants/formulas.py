"""Mutants of derivatives: one formula or convention each; and of modules and optimizers."""

from .copies import mutant

MUTANTS = (
    mutant(
        "relu_at_zero",
        "relu passes the cotangent at 0.",
        "operators/relu",
        (
            "rules/elementwise.py",
            '"threshold_backward(grad, result, 0)"',
            '"threshold_backward(grad, result, -1)"',
        ),
    ),
    mutant(
        "quotient_has_the_wrong_sign",
        "The gradient of a divisor has the wrong sign.",
        "operators/quotient",
        (
            "rules/arithmetic.py",
            '"-grad * conj(self / other / other)"',
            '"grad * conj(self / other / other)"',
        ),
    ),
    mutant(
        "ties_go_to_the_first",
        "Where operands of maximum tie the first one gets all of the cotangent.",
        "operators/maximum",
        (
            "rules/arithmetic.py",
            'self="split_ties(grad, self == other, self < other)"',
            'self="grad * (self >= other)"',
        ),
    ),
    mutant(
        "square_root_at_zero",
        "The gradient of sqrt at 0 is 0.",
        "kinks/square-root-at-zero",
        (
            "rules/elementwise.py",
            '"grad / (2 * conj(result))"',
            '"(grad / (2 * conj(result))).masked_fill(result == 0, 0)"',
        ),
    ),
    mutant(
        "power_of_zero",
        "The gradient of x ** 0 is what the formula gives at 0.",
        "kinks/powers-of-zero",
        (
            "rules/formulas.py",
            (
                "    if exponent == 0:\n        return base.new_zeros(base.shape)\n"
                "    return _real_as(base, grad"
            ),
            "    return _real_as(base, grad",
        ),
    ),
    mutant(
        "xlogy_of_zeros",
        "The gradient of xlogy(0, 0) is the logarithm of 0.",
        "special-values/xlogy",
        ("rules/pairs.py", ".masked_fill((self == 0) & (other <= 0), 0)", ""),
    ),
    mutant(
        "repeated_indices_count_once",
        "A place that gather takes several times gets the cotangent of one of them.",
        "indexing/gather",
        (
            "rules/selection.py",
            '"zeros_of(grad, self.shape).scatter_add(dim, index, grad)"',
            '"zeros_of(grad, self.shape).scatter(dim, index, grad)"',
        ),
    ),
    mutant(
        "masks_keep_the_gradient",
        "masked_fill passes the cotangent on at the masked places.",
        "special-values/masked-fill",
        ("rules/arithmetic.py", '"grad.masked_fill(mask, 0)"', '"grad.masked_fill(mask != mask, 0)"'),
    ),
    mutant(
        "permutes_the_wrong_way",
        "The gradient of permute is permuted once more in the same direction.",
        "shapes/rearranged",
        ("rules/shape.py", '"grad.permute(inverse_permutation(dims))"', '"grad.permute(dims)"'),
    ),
    mutant(
        "runs_the_sum_forward",
        "The gradient of a running sum runs from the start.",
        "shapes/running-sum",
        (
            "rules/running.py",
            "    return _summed_from_end(grad, dim)\n",
            "    return grad.cumsum(dim)\n",
        ),
    ),
    mutant(
        "joins_in_reverse",
        "stack hands the slices of the cotangent out in reverse.",
        "operators/stack",
        (
            "multiple.py",
            "fit(grad.select(self.dim, index), shape, dtype)",
            "fit(grad.select(self.dim, -1 - index), shape, dtype)",
        ),
    ),
    # --- modules and optimizers ---
    mutant(
        "lists_shared_parameters_twice",
        "A parameter that stands in a module twice is listed twice.",
        "modules/shared-parameter",
        (
            "nn/module.py",
            "                if value is not None and id(value) not in seen:\n",
            "                if value is not None:\n",
        ),
        ("nn/module.py", "            if id(module) in seen:\n", "            if False:\n"),
    ),
    mutant(
        "steps_uphill",
        "A step of SGD moves a parameter along its gradient.",
        "optimizers/step-moves-along-the-gradient",
        (
            "optim.py",
            '        parameter._data.add_(grad, alpha=-group["lr"])\n',
            '        parameter._data.add_(grad, alpha=group["lr"])\n',
        ),
    ),
    mutant(
        "steps_are_not_counted",
        "A step is no write, and a graph that saved the parameter does not notice it.",
        "optimizers/step-invalidates-a-recorded-graph",
        ("optim.py", "                        bump(parameter)\n", "                        pass\n"),
    ),
    mutant(
        "forgets_the_velocity",
        "Momentum uses the gradient of the present step alone.",
        "optimizers/momentum",
        ("optim.py", "kept.mul_(momentum).add_(grad", "kept.zero_().add_(grad"),
    ),
    mutant(
        "closures_run_in_any_mode",
        "The closure of a step runs in the grad mode of its caller.",
        "optimizers/closure",
        (
            "optim.py",
            "            with enable_grad():\n                loss = closure()\n",
            "            loss = closure()\n",
        ),
    ),
)
