"""Shapes of arrays in annotations: jaxtyping's, which tests check; predict runs without jaxtyping too."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jaxtyping import Bool, Float, Int, Real, Shaped, UInt8
else:
    try:
        from jaxtyping import Bool, Float, Int, Real, Shaped, UInt8
    except ImportError:

        class _Unchecked:
            def __class_getitem__(cls, array_and_shape: tuple[Any, str]) -> Any:
                return array_and_shape[0]

        Bool = Float = Int = Real = Shaped = UInt8 = _Unchecked

__all__ = ["Bool", "Float", "Int", "Real", "Shaped", "UInt8"]
