"""Wilson's interval: what a share that was seen says of the share that there is."""

from typing import Any

import numpy as np


def wilson_interval(share: Any, n: Any, z: float) -> tuple[Any, Any]:
    """Return the ends of Wilson's interval.

    Parameters
    ----------
    share : float or ndarray
        Share that was seen, from 0 to 1.
    n : float or ndarray
        Of how many, above 0; need not be whole.
    z : float
        Standard deviations to either side, such as 1.645 for 90 %.

    Returns
    -------
    low, high : float or ndarray
        Unlike plain multiples of the standard error they stay within 0 and 1, and have a width where the share is 0 or
        1.

    References
    ----------
    Wilson 1927, "Probable Inference, the Law of Succession, and Statistical Inference", JASA 22.

    Examples
    --------
    >>> low, high = wilson_interval(1.0, 30, 1.645)
    >>> float(low.round(3)), float(high)
    (0.917, 1.0)
    """
    spread = z * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    middle, scale = share + z**2 / (2 * n), 1 + z**2 / n
    # At shares of 0 and 1 the ends are 0 and 1, which rounding would miss by the last digit, on either side.
    return np.clip((middle - spread) / scale, 0, share), np.clip((middle + spread) / scale, share, 1)
