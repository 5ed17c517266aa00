"""Functions that are no piecewise affine maps, as affine maps at the image itself.

Convolutions, batch norms, ReLU, pooling and linear layers are piecewise affine: at one image, a
logit is exactly Σ gradient · activation + Σ gradient · bias. Other functions are made so by keeping
a part of them as it is at the image, while the rest stays a function:

    gates         sigmoid, softmax, …: constants, so that x · gate is linear in x
    statistics    the scales of layer, group and response norms, square roots, norms: constants;
                  subtracting a mean is linear as it is
    activations   SiLU, GELU, ELU, …: x times the constant f(x) / x
    attention     the pattern is constant; what it gathers is linear

The network computes what it computed; only gradients change. Sums meet the logit, and what a change
of the image does is no longer predicted exactly: `LinearisedFunctions.names` says which functions
were met.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

_CONSTANTS = {
    *("sigmoid", "sigmoid_", "hardsigmoid", "softmax", "softmin"),
    *("sqrt", "rsqrt", "norm", "vector_norm", "linalg_vector_norm", "var", "std", "exp"),
}
_POWERS = {"pow", "pow_", "__pow__"}
_ACTIVATIONS = {
    *("silu", "silu_", "gelu", "hardswish", "hardswish_", "mish", "elu", "elu_", "celu", "selu"),
    *("softplus", "hardtanh", "hardtanh_", "relu6", "softsign", "hardshrink", "softshrink"),
    *("tanh", "tanh_", "tanhshrink", "logsigmoid"),
}
_RELU = {"relu", "relu_", "leaky_relu", "leaky_relu_", "prelu", "threshold", "rrelu"}
_OWN = {
    *("layer_norm", "rms_norm", "group_norm", "instance_norm", "local_response_norm"),
    *("var_mean", "std_mean", "normalize"),
    *("scaled_dot_product_attention", "multi_head_attention_forward"),
}
_CALLED = {
    "scaled_dot_product_attention": "attention",
    "multi_head_attention_forward": "attention",
    "hardtanh": "relu6",
    **dict.fromkeys(_POWERS, "sqrt"),
}


class LinearisedFunctions(TorchFunctionMode):
    """A context in which each of these functions has the gradient of its affine map.

    Attributes:
        names: the functions that were met, each once, in order.
        constants: the gates, statistics and patterns, in the order of the calls.
        before_activation: what last entered an activation function, and what it returned.
    """

    def __init__(self, constants: Iterable[Tensor] | None = None) -> None:
        """Prepare.

        Args:
            constants: take these, in their order, in place of the image's own; activation functions
                are then ReLU, to which they tend for large inputs, so that what is computed is
                positively homogeneous.
        """
        super().__init__()
        self.names: dict[str, None] = {}
        self.constants: list[Tensor] = []
        self.before_activation: tuple[Tensor, Tensor] | None = None
        self._given = None if constants is None else iter(constants)

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401
        """Compute a function of torch's, whatever its form: `x.relu()`, `F.relu(x)`, `nn.ReLU`."""
        name, options = getattr(func, "__name__", ""), kwargs or {}
        if not _is_linearised(name, args):
            if name in _RELU:
                return self._activation(args[0], lambda x: func(x, *args[1:], **options))
            return func(*args, **options)
        self.names[_CALLED.get(name, name.rstrip("_"))] = None
        if name in _ACTIVATIONS:
            return self._activation(args[0], lambda x: self._scaled(x, func, args, options))
        if name in _OWN:
            return getattr(self, f"_{name}")(*args, **options)
        return self._constant(func(*args, **options))

    def _constant(self, value: Tensor) -> Tensor:
        """Return a value without its gradient, or the given one in its place."""
        if self._given is not None:
            return next(self._given)
        self.constants.append(value.detach())
        return value.detach()

    def _activation(self, x: Tensor, compute: Callable[[Tensor], Tensor]) -> Tensor:
        entered = x.clone()  # it may be changed in place
        y = compute(x)
        self.before_activation = entered, y
        return y

    def _scaled(
        self, x: Tensor, func: Callable[..., Tensor], args: Sequence[Any], options: dict[str, Any]
    ) -> Tensor:
        """Return x · (f(x) / x), the factor constant."""
        if self._given is not None:
            return functional.relu(x)
        fixed = x.detach()
        y = func(fixed.clone(), *args[1:], **options)
        scale = torch.where(fixed == 0, torch.zeros_like(y), y / fixed)
        return x * scale + (y - fixed * scale)  # the rest is f(0), where x is 0

    def _var_mean(
        self,
        *args: Any,  # noqa: ANN401
        **options: Any,  # noqa: ANN401
    ) -> tuple[Tensor, Tensor]:
        spread, mean = torch.var_mean(*args, **options)
        return self._constant(spread), mean

    def _std_mean(
        self,
        *args: Any,  # noqa: ANN401
        **options: Any,  # noqa: ANN401
    ) -> tuple[Tensor, Tensor]:
        spread, mean = torch.std_mean(*args, **options)
        return self._constant(spread), mean

    def _normalize(
        self,
        x: Tensor,
        p: float = 2.0,
        dim: int = 1,
        eps: float = 1e-12,
        **_: object,
    ) -> Tensor:
        size = self._constant(torch.linalg.vector_norm(x, p, dim, keepdim=True).clamp_min(eps))
        return x / size

    def _layer_norm(
        self,
        x: Tensor,
        normalized_shape: Sequence[int],
        weight: Tensor | None = None,
        bias: Tensor | None = None,
        eps: float = 1e-5,
    ) -> Tensor:
        axes = list(range(-len(normalized_shape), 0))
        variance = x.var(axes, correction=0, keepdim=True)
        scale = self._constant(torch.rsqrt(variance + eps))
        y = (x - x.mean(axes, keepdim=True)) * scale
        y = y if weight is None else y * weight
        return y if bias is None else y + bias

    def _rms_norm(
        self,
        x: Tensor,
        normalized_shape: Sequence[int],
        weight: Tensor | None = None,
        eps: float | None = None,
    ) -> Tensor:
        axes = list(range(-len(normalized_shape), 0))
        eps = torch.finfo(x.dtype).eps if eps is None else eps
        scale = self._constant(torch.rsqrt(x.square().mean(axes, keepdim=True) + eps))
        return x * scale if weight is None else x * scale * weight

    def _group_norm(
        self,
        x: Tensor,
        num_groups: int,
        weight: Tensor | None = None,
        bias: Tensor | None = None,
        eps: float = 1e-5,
    ) -> Tensor:
        grouped = x.reshape(len(x), num_groups, -1)
        variance = grouped.var(-1, correction=0, keepdim=True)
        scale = self._constant(torch.rsqrt(variance + eps))
        y = ((grouped - grouped.mean(-1, keepdim=True)) * scale).reshape(x.shape)
        by_channel = (-1, *(x.ndim - 2) * (1,))
        y = y if weight is None else y * weight.view(by_channel)
        return y if bias is None else y + bias.view(by_channel)

    def _instance_norm(
        self,
        x: Tensor,
        running_mean: Tensor | None = None,
        running_var: Tensor | None = None,
        weight: Tensor | None = None,
        bias: Tensor | None = None,
        use_input_stats: bool = True,
        momentum: float = 0.1,
        eps: float = 1e-5,
    ) -> Tensor:
        if not use_input_stats:
            return functional.instance_norm(
                x, running_mean, running_var, weight, bias, False, momentum, eps
            )
        return self._group_norm(x, x.shape[1], weight, bias, eps)

    def _local_response_norm(
        self,
        x: Tensor,
        size: int,
        alpha: float = 1e-4,
        beta: float = 0.75,
        k: float = 1.0,
    ) -> Tensor:
        y = functional.local_response_norm(x, size, alpha, beta, k)
        return x * self._constant(torch.where(x == 0, torch.zeros_like(y), y / x))

    def _scaled_dot_product_attention(
        self,
        query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None,
        *_: object, scale: float | None = None, **__: object,
    ) -> Tensor:  # fmt: skip
        size = query.shape[-1] ** -0.5 if scale is None else scale
        scores = query @ key.transpose(-2, -1) * size
        if attn_mask is not None:
            scores = (scores.masked_fill(~attn_mask, -torch.inf) if attn_mask.dtype == torch.bool
                      else scores + attn_mask)  # fmt: skip
        return self._constant(scores.softmax(-1)) @ value

    def _multi_head_attention_forward(
        self,
        *args: Any,  # noqa: ANN401
        **options: Any,  # noqa: ANN401
    ) -> tuple[Tensor, None]:
        """Gather values with the pattern that the function itself finds; (targets, images, …)."""
        names = ("query", "key", "value", "embed_dim_to_check", "num_heads", "in_proj_weight",
                 "in_proj_bias", "bias_k", "bias_v", "add_zero_attn", "dropout_p",
                 "out_proj_weight", "out_proj_bias")  # fmt: skip
        given = {**dict(zip(names, args, strict=False)), **options}
        asked = {**given, "need_weights": True, "average_attn_weights": False, "training": False}
        _, weights = functional.multi_head_attention_forward(**asked)
        pattern = self._constant(cast("Tensor", weights))
        value, heads, size = given["value"], given["num_heads"], given["embed_dim_to_check"]
        separate, bias = given.get("use_separate_proj_weight"), given["in_proj_bias"]
        weight = given["v_proj_weight"] if separate else given["in_proj_weight"][-size:]
        bias = None if bias is None else bias[-size:]
        values = functional.linear(value, weight, bias)
        sources, images = values.shape[:2]
        split = values.reshape(sources, images, heads, -1).permute(1, 2, 0, 3)
        gathered = (pattern @ split).permute(2, 0, 1, 3).flatten(2)
        return functional.linear(gathered, given["out_proj_weight"], given["out_proj_bias"]), None


def _is_linearised(name: str, args: Sequence[Any]) -> bool:
    """Return whether a function is one of these, of what is computed, not of a weight."""
    if name in _POWERS:
        return args[1] in {0.5, -0.5}
    if name in _CONSTANTS:
        return isinstance(args[0], Tensor) and not isinstance(args[0], torch.nn.Parameter)
    return name in _ACTIVATIONS | _OWN
