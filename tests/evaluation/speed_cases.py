"""A clock that moves only when a fake model predicts, on a machine that may get slower with time."""

from fewshot.evaluation.speed.contender import Answers, Contender


class Clock:
    """Seconds since the beginning; ``drift`` is by how much a unit of work slows down each second."""

    def __init__(self, drift=0.0):
        self.now, self.drift = 0.0, drift
        self.calls = []
        self.threads = None

    def __call__(self):
        return self.now

    def set_threads(self, n):
        self.threads = n

    def contender(self, name, seconds_a_call=0.0, seconds_a_text=0.0, *, threads_help=False, fails_after=None):
        """A model of known speed; the clock keeps who was called with what, with how many threads."""

        def predict(texts):
            if fails_after is not None and sum(call[0] == name for call in self.calls) >= fails_after:
                raise RuntimeError("out of ideas")
            self.calls.append((name, list(texts), self.threads))
            work = seconds_a_call + seconds_a_text * len(texts)
            self.now += work / (self.threads if threads_help else 1) * (1 + self.drift * self.now)
            return ["a"] * len(texts)

        return Contender(name, predict, lambda texts: Answers(predict(texts)))
