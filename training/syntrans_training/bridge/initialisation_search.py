"""Grid search of the bridge's initialisation on val, by its closed form, docs/method.md (23a): no head is trained here.

The shared space (power, shrinkage, noise) is chosen once for all kinds of text, with the maps' start by turns; then
each kind of text gets the start of its own maps.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from itertools import groupby

from jaxtyping import Float
from torch import Tensor

from syntrans.progress import Tracker, track
from syntrans_training.bridge.initialisation import (
    ClassVectorSource,
    FeaturesOfPower,
    Grid,
    MapInit,
    SpaceSettings,
    full_class_vectors,
)
from syntrans_training.bridge.spectrum import decompose
from syntrans_training.episodes.sampler import Episodes
from syntrans_training.modules.closed_form import ClosedForms, EvidenceForms, Setting, UnitForms
from syntrans_training.modules.solvers.ridge import LeaveOneOut, fit_ridge
from syntrans_training.scoring.closed_form_accuracy import closed_form_accuracies
from syntrans_training.text.class_vectors import NONE

Start = tuple[SpaceSettings, MapInit]
BATCH = 32  # settings that are tried at once
TURNS = 2  # of choosing space and start by the other


class InitialisationSearch:
    """Accuracies of settings on val, each computed once.

    Args: tasks: val episodes by number of shots; fusion: of the heads.
    """

    def __init__(
        self,
        features: FeaturesOfPower,
        texts: ClassVectorSource,
        tasks: Mapping[int, Episodes],
        grid: Grid,
        *,
        fusion: str,
    ) -> None:
        self.texts, self.tasks, self.grid, self.fusion = texts, tasks, grid, fusion
        self._known: dict[tuple[str, Start], float] = {}
        self._spectrum = cache(lambda power: decompose(features(power)[1]))
        self._left_out = cache(lambda variant, share: LeaveOneOut(full_class_vectors(texts, variant, share)))
        self._maps = cache(self._fit_maps)

    def best_per_noise(self, variant: str) -> list[Start]:
        """The best space and start for each noise: which noise is best, only training tells (head_training.py).

        Space and start are chosen by turns, twice: each is good for the other's choice.
        """
        noises = dict.fromkeys(space.noise for space in self.grid.spaces)
        best = []
        total = TURNS * (len(self.grid.spaces) + len(noises) * len(self._starts(variant)))
        with track("try spaces and maps", total, "settings") as progress:
            for noise in noises:
                spaces, start = [space for space in self.grid.spaces if space.noise == noise], self.grid.middle
                for _ in range(TURNS):
                    space = self._best(variant, [(space, start) for space in spaces], progress)[0]
                    start = self._best(variant, [(space, start) for start in self._starts(variant)], progress)[1]
                best.append((space, start))
        return best

    def start(self, variant: str, space: SpaceSettings) -> MapInit:
        """The start of a variant's maps in a given space."""
        starts = self._starts(variant)
        with track("try maps", len(starts), "settings") as progress:
            return self._best(variant, [(space, start) for start in starts], progress)[1]

    def _starts(self, variant: str) -> Sequence[MapInit]:
        starts = self.grid.starts
        if variant in (NONE, "name"):  # nothing, or nothing else, to share with the name
            starts = tuple(start for start in starts if start.name_share == starts[0].name_share)
        return starts

    def _best(self, variant: str, settings: Sequence[Start], progress: Tracker) -> Start:
        """Of equal ones the first."""
        new = [one for one in settings if (variant, one) not in self._known]
        progress.advance(len(settings) - len(new))
        for power, group in groupby(new, key=lambda one: one[0].power):
            of_power = list(group)
            for i in range(0, len(of_power), BATCH):
                part = of_power[i : i + BATCH]
                accuracies = self._accuracies(power, [self._closed_form(variant, *one) for one in part])
                self._known |= {(variant, one): value for one, value in zip(part, accuracies, strict=True)}
                progress.advance(len(part))
        return max(settings, key=lambda one: self._known[variant, one])

    def _accuracies(self, power: float, settings: Sequence[Setting]) -> list[float]:
        def forms(shots: int) -> ClosedForms:
            if self.fusion == "evidence":
                return EvidenceForms(settings, shots)
            return UnitForms(settings, shots, self.fusion == "additive")

        return closed_form_accuracies(forms, self._spectrum(power).val, self.tasks)

    def _closed_form(self, variant: str, space: SpaceSettings, start: MapInit) -> Setting:
        missed, semantic = self._maps(variant, space.power, start.name_share, start.lam)
        return Setting(self._spectrum(space.power).within(space), missed, start.prior_shrinkage, semantic)

    def _fit_maps(
        self, variant: str, power: float, share: float, lam: float
    ) -> tuple[Float[Tensor, "c d"], Float[Tensor, "n d"]]:
        """What the map misses of base classes that it has not seen, and what it predicts of the val classes."""
        means = self._spectrum(power).means
        text, val = full_class_vectors(self.texts, variant, share), self.texts.val(variant, share)
        semantic = fit_ridge(text.double(), means.double(), lam=lam)(val.double()).float()
        return means - self._left_out(variant, share)(means, lam=lam), semantic
