"""Texts as training gives them to a model."""


def features_of(model, texts):
    """Tokenize as training does."""
    return model.preprocess(texts) if hasattr(model, "preprocess") else model.tokenize(texts)
