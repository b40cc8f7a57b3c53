"""The steps of a run in their order, one method each: what a step is given, and what stays of its result.

A step measures and then drops; nothing here knows how. `context` opens and closes what the steps stand on.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache, partial
from typing import TYPE_CHECKING

from syntrans.errors import ModelLoadError
from syntrans_mining.models import CLIP
from syntrans_mining.models_config import reading
from syntrans_mining.placement.load_order import decider, model_uses_of, plain_order
from syntrans_mining.requests.embeddings import Vectors
from syntrans_mining.steps import calibrate, compose, crosscheck, ground, merge, propose, senses, summarise
from syntrans_mining.steps import filter as filtering
from syntrans_mining.steps.candidate import Candidate, class_blocks, kept

if TYPE_CHECKING:
    from syntrans.calibration import Platt
    from syntrans.classes.entries import ClassEntry
    from syntrans.contract.rows import SemanticsRow
    from syntrans_mining.models import Model
    from syntrans_mining.placement.load_order import LoadOrder
    from syntrans_mining.requests.embeddings import PictureVectors
    from syntrans_mining.run.context import RunContext

NO_CLIP = "the config names no clip"


class Steps:
    """The steps, bound to one run. ``entries`` are its classes, with the definitions that were settled on."""

    def __init__(self, run: RunContext) -> None:
        self._run = run
        self.config, self.prompts, self.models = run.config, run.prompts, run.models
        self.dispatcher, self.vectors, self.report, self.pictures = (
            run.dispatcher,
            run.vectors,
            run.report,
            run.pictures,
        )
        self.entries = list(run.entries)
        # All encoders count texts that were read in windows in one place.
        self.windowed = self.vectors.windowed if self.vectors else []

    def run(self) -> tuple[list[Candidate], list[SemanticsRow]]:
        """All steps, one after the other: the ledger's candidates, and one row per class."""
        shown = self._start_image_vectors()
        candidates: list[Candidate] = []
        query = self._resolve_senses()
        with self._step("propose", candidates):
            candidates += self._propose(shown, query)
        if query:
            self._show_senses(query)
        with self._step("merge", candidates):
            self._merge(candidates)
        with self._step("crosscheck", candidates):
            self._crosscheck(candidates)
        images = self._class_images(shown)
        del shown  # the vectors of single pictures are not needed any more
        with self._step("ground", candidates):
            self._ground(candidates, images)
        with self._step("filter", candidates):
            self._filter(candidates, images)
        with self._step("compose", candidates):
            semantics = self._compose(candidates)
        self._say_windowed()
        return candidates, semantics

    def _say_windowed(self) -> None:
        if n := sum(self.windowed):
            self.report.details.setdefault("filter", {})["windowed"] = n
            self.dispatcher.progress.say(
                f"{n} texts are longer than their encoder reads: read in windows, vectors averaged"
            )

    @contextmanager
    def _step(self, name: str, candidates: list[Candidate]) -> Iterator[None]:
        self.dispatcher.progress.step(name)
        with self.report.step(name, candidates, self.dispatcher):
            yield

    def _skip(self, step: str, why: str) -> None:
        self.report.skipped[step] = why
        self.dispatcher.progress.say(f"{step} skipped: {why}")

    def _start_image_vectors(self) -> PictureVectors | None:
        """CLIP's image vectors, computed while the LLMs propose."""
        flat = [picture for pictures in self.pictures.values() for picture in pictures]
        return self.vectors.start_pictures(flat) if flat and self.vectors else None

    def _class_images(self, shown: PictureVectors | None) -> filtering.ClassImages | None:
        if shown is None:
            return None
        class_ids = [class_id for class_id, pictures in self.pictures.items() for _ in pictures]
        n_neighbours = self.config.filter.neighbours
        return filtering.class_images(shown.result(), class_ids, n_neighbours=n_neighbours)

    def _resolve_senses(self) -> senses.SenseQuery | None:
        """Give ambiguous names a definition, or end the run with the list to choose from.

        Returns the query if it decides nothing any more: then models are asked when they are there to propose.
        """
        settings, of_classes, first = self.config.lint, {}, None
        ambiguous = senses.ambiguous_entries(self.entries, settings.senses, ask_all=settings.ask_senses)
        along = senses.first_is_taken(ambiguous, settings.senses, first=settings.ambiguous == "first")
        query = None
        if self.prompts.senses:
            decides = self._named([decider(self.config)])
            others = [model for model in self.models.llms if model not in decides]
            query = senses.SenseQuery(ambiguous, [*decides, *others], self.prompts.senses)
            with self._step("lint", []):
                if along:
                    query.ask(self.dispatcher, decides, senses.undecided(ambiguous))
                else:
                    query.ask(self.dispatcher, self._named(reversed(self._load_order.propose)))
                    of_classes = self._show_senses(query)
            first = partial(query.first, model=decides[0]) if settings.ambiguous == "first" else None
        self.entries, taken = senses.resolve_senses(self.entries, of_classes, settings.senses, first)
        if taken:
            self.report.details["lint"] = {"senses": taken}
        return query if along else None

    def _show_senses(self, query: senses.SenseQuery) -> dict[str, list[senses.Sense]]:
        of_classes = query.by_class()
        for line in senses.listing(self.entries, of_classes):
            self.dispatcher.progress.say(line)
        return of_classes

    @property
    def _load_order(self) -> LoadOrder:
        plan = self._run.setup.plan
        return (
            plan.load_order
            if plan
            else plain_order(model_uses_of(self.config, self.entries, pictures=bool(self.pictures)))
        )

    def _named(self, names: Iterable[str]) -> list[Model]:
        models = {model.name: model for model in (*self.models.llms, self.models.vlm) if model}
        return [models[name] for name in names]

    def _propose(self, shown: PictureVectors | None, query: senses.SenseQuery | None) -> list[Candidate]:
        contrast = None
        if self.prompts.contrast and self.vectors is None:
            self.dispatcher.progress.say(f"classes are not contrasted with their neighbours: {NO_CLIP}")
        elif self.prompts.contrast:
            draw = self._draw(samples=self.config.contrast.samples, statements=self.config.contrast.statements)
            contrast = propose.Contrast(cache(partial(self._pairs, shown)), self.prompts.contrast, draw)
        candidates = propose.propose(
            self.dispatcher,
            self.entries,
            self.models.llms,
            self.prompts.propose,
            self._draw(),
            contrast,
            order=self._load_order.propose,
            side_requests=query.requests if query else None,
        )
        if not kept(candidates):
            error = self.dispatcher.failures[0]["error"] if self.dispatcher.failures else "no answer"
            raise ModelLoadError(f"no model proposed anything ({error}); check the prompt and the models")
        return candidates

    def _pairs(self, shown: PictureVectors | None) -> list[tuple[ClassEntry, ClassEntry]]:
        """Each class beside those that CLIP takes for similar, by their pictures or else by their names."""
        images = self._class_images(shown)
        if images is None:
            assert self.vectors is not None, "there is no contrast without CLIP"
            assert self.config.clip is not None
            template = self.config.clip.name_template
            order = self.entries
            vectors = self.vectors.of_texts([template.format(name=e.name, descriptor="") for e in order]).vectors
        else:
            order = sorted(self.entries, key=lambda entry: images.row_of[entry.id])
            vectors = images.means
        nearest = filtering.nearest_rows(vectors, self.config.contrast.neighbours)
        return [(entry, order[int(other)]) for entry, others in zip(order, nearest, strict=True) for other in others]

    def _draw(self, **changes: int) -> propose.Draw:
        values = self.config.propose.model_dump(exclude={"prompts"}) | changes
        return propose.Draw(**values, seed=self.config.seed)

    def _merge(self, candidates: list[Candidate]) -> None:
        settings = self.config.merge
        names = [entry.name for entry in self.entries]
        merge.check_texts(candidates, names, max_words=settings.max_words)
        if settings.similarity < 1.0 and self.vectors is None:
            self.dispatcher.progress.say(f"only equal statements are merged: {NO_CLIP}")
        elif settings.similarity < 1.0:
            for block in class_blocks(candidates):
                texts = self._run.embed(block)
                if texts is not None:
                    merge.merge_duplicates(block, texts.vectors, similarity=settings.similarity)

    def _crosscheck(self, candidates: list[Candidate]) -> None:
        if len(self.models.llms) < 2:
            self._skip("crosscheck", "there is only one LLM, and authors do not vote on their own")
            return
        settings = self.config.crosscheck
        by_id = {entry.id: entry for entry in self.entries}
        order = self._load_order.vote
        crosscheck.crosscheck(self.dispatcher, candidates, by_id, self.models.llms, self.prompts.crosscheck, order)
        platts = self._platts(candidates)
        calibrate.calibrate(candidates, platts)
        crosscheck.agree(candidates, n_models=len(self.models.llms))
        self.report.details["crosscheck"] = {
            "calibration": {name: platt.model_dump() for name, platt in platts.items()},
            "disagreement": crosscheck.mean_disagreement(candidates),
        }
        crosscheck.drop_disagreed(candidates, threshold=settings.threshold)

    def _platts(self, candidates: list[Candidate]) -> Mapping[str, Platt]:
        if (calibration := self._run.setup.calibration) is not None:
            return calibration.models
        learn = self.config.crosscheck.calibration == calibrate.AGREEMENT
        return calibrate.fit_on_agreement(kept(candidates)) if learn else {}

    def _ground(self, candidates: list[Candidate], images: filtering.ClassImages | None) -> None:
        settings = self.config.ground
        if not self.pictures or self.models.vlm is None:
            self._skip("ground", "the config names no vlm" if self.pictures else "no images were given")
            return
        neighbours = images.neighbours if images else {}  # CLIP knows them
        contrast = {class_id: others[0] for class_id, others in neighbours.items() if others}
        pictures = {class_id: chosen[: settings.images] for class_id, chosen in self.pictures.items()}
        ground.ground(
            self.dispatcher,
            candidates,
            pictures,
            contrast if settings.contrast else {},
            self.models.vlm,
            self.prompts.ground,
        )
        ground.drop_unseen(candidates, threshold=settings.threshold, gap=settings.gap)

    def _filter(self, candidates: list[Candidate], images: filtering.ClassImages | None) -> None:
        if images is None:
            why = NO_CLIP if self.vectors is None else "no images were given"
            self._skip("filter", f"{why}; only the budget applies")
        choice = self.config.filter.model_dump(exclude={"images", "neighbours"})
        for block in class_blocks(candidates):
            texts = self._run.embed(block)
            if images is not None and texts is not None:
                filtering.measure(block, texts, images, model=CLIP)
            filtering.choose(block, texts, **choice)

    def _compose(self, candidates: list[Candidate]) -> list[SemanticsRow]:
        """One row per class and encoder, those of CLIP first."""
        wording = self.config.compose.model_dump(include={"summary", "separator"})
        summaries = self._summaries(candidates)
        rows = []
        if self.vectors is None:
            self.dispatcher.progress.say(f"semantics.parquet is not written: {NO_CLIP}")
        for encoder, model in zip(self.config.encoders, self.models.embedding, strict=True):
            vectors = Vectors(
                self.dispatcher.host, self.dispatcher.cache, model, self.dispatcher.progress, self.windowed
            )
            wording |= reading(encoder)
            rows += compose.semantics_of(self.entries, candidates, vectors, summaries=summaries, **wording)
        return rows

    def _summaries(self, candidates: list[Candidate]) -> dict[str, str]:
        """The checked paragraphs by class id; empty if no LLM is to write any."""
        settings, prompts = self.config.compose, self.prompts
        if prompts.compose is None or prompts.support is None:
            return {}
        (writer,) = self._named([settings.llm or ""])
        summaries = summarise.summarise(
            self.dispatcher,
            candidates,
            self.entries,
            writer,
            self._named(self._load_order.read),
            summarise.Reading(prompts.compose, prompts.support, prompts.crosscheck),
            max_tokens=settings.max_tokens,
            threshold=settings.threshold,
        )
        self.report.details["compose"] = {
            "written_by": writer.name,
            "read_by": sorted(self._load_order.read),
            "sentences": sum(len(summary.stays) + len(summary.struck) for summary in summaries.values()),
            "struck": {class_id: summary.struck for class_id, summary in summaries.items() if summary.struck},
        }
        return {class_id: summary.text for class_id, summary in summaries.items()}
