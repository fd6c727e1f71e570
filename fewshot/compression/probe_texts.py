"""Texts to hold an exported model against its original: of many lengths, in many scripts, and odd ones.

They were written for this; what a model says of them does not matter, only that both say the same.
"""

from collections.abc import Sequence
from typing import Any

_SENTENCES = (
    "The card was charged twice last Tuesday.",
    "Why does it take eleven minutes to open one folder?",
    'My parcel has been "out for delivery" since Monday; nobody answers the phone!',
    "Thanks, that worked.",
    "Please cancel my subscription and delete everything you hold about me.",
    "After the update the screen stays black, and the fan runs at full speed for about ten minutes.",
    "Die Rechnung vom März fehlt noch, könnten Sie sie bitte nachreichen?",
    "J'ai oublié mon mot de passe et l'e-mail n'arrive pas.",
    "¿Dónde puedo cambiar la dirección de envío?",
    "Где мой заказ? Уже вторая неделя.",
    "我的账户被锁定了。请帮我解锁。",
    "この商品を返品したいです。",
    "أريد استرداد المبلغ من فضلك",
    "12,5 % of 3.400 € — çà & là; see http://example.org/a?b=c#d",
    "def f(x):\n    return x ** 2  # squares",
)
_ODD = ("", " ", "?", "ok", "🙂🙂🙂", "é", "[SEP] [PAD] <s> </s> <mask>", "a" * 300, "\u200b", "THE THE the The")
_LENGTHS = (2, 5, 9, 17, 33, 65, 120, 240, 600)
"""Words of texts that are put together of the sentences."""


def probe_texts(names: Sequence[Any] = ()) -> list[str]:
    """Return about 40 texts, some of them about things of these names.

    Parameters
    ----------
    names : sequence of (str or int)
        Such as class names; the first 20 count.

    Examples
    --------
    >>> len(probe_texts(["billing"])), "This text is about billing." in probe_texts(["billing"])
    (35, True)
    """
    words = " ".join(_SENTENCES).split()
    long = [" ".join((words * 6)[start : start + length]) for start, length in enumerate(_LENGTHS)]
    about = [f"This text is about {name}." for name in names[:20]]
    return [*_SENTENCES, *_ODD, *long, *about]
