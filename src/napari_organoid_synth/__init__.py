"""Make, curate and prove synthetic image-mask pairs for microscopy, in napari and without it.

Everything that a script needs is an attribute of this package: ``synth.find_pairs``, ``synth.train``,
``synth.make_pairs``, and so on. Nothing is imported before it is used, so that this module loads in milliseconds.
"""

from importlib import import_module

__version__ = "0.1.0"

# Name of each public object to "module:attribute"; `__init__.pyi` says the same to type checkers and editors.
_PLACES = {
    # pairs
    "SamplePair": "core.pairs.pair:SamplePair",
    "Source": "core.pairs.pair:Source",
    "PairTable": "core.pairs.table:PairTable",
    "PairEntry": "core.pairs.table:PairEntry",
    "find_pairs": "core.pairs.discovery:find_pairs",
    "check_pairs": "core.pairs.loading:check_pairs",
    "split_table": "core.pairs.split:split_table",
    "load_pairs": "core.pairs.loading:load_pairs",
    "read_pair": "core.pairs.ome_tiff:read_pair",
    "write_pair": "core.pairs.ome_tiff:write_pair",
    "read_image": "core.pairs.ome_tiff:read_image",
    "read_labels": "core.pairs.ome_tiff:read_labels",
    "instances_from_border_core": "core.export.border_core:from_border_core",
    # simulators
    "simulate_organoids": "core.simulators.simulate:organoid_brightfield",
    "simulate_em": "core.simulators.simulate:em",
    "simulate_tissue": "core.simulators.simulate:tissue",
    "simulate_population": "core.simulators.population:population",
    "fit_population": "core.simulators.population_fit:fit",
    "PopulationSettings": "core.simulators.population:PopulationSettings",
    # arrays in, arrays out
    "make_pairs": "core.synthesis.arrays:make_pairs",
    "paint": "core.synthesis.arrays:paint",
    "open_canvas": "core.live.arrays:open_canvas",
    "Canvas": "core.live.canvas:Canvas",
    "score_sets": "core.scores.arrays:score_sets",
    "measure_gain": "core.gain.any_segmenter:measure_gain",
    "gain_text": "core.gain.sentences:gain_text",
    "GainResult": "core.gain.results:GainResult",
    "SetScores": "core.scores.storage:SetScores",
    # a project and its contents
    "Project": "core.project:Project",
    "Run": "core.runs.run:Run",
    "SampleStore": "core.samples.store:SampleStore",
    "write_model": "core.runs.sharing:write_model_file",
    "import_model": "core.runs.sharing:import_model",
    "write_report": "core.report.report:write_report",
    # settings
    "Recipe": "core.recipe:Recipe",
    "TrainSettings": "core.recipe:TrainSettings",
    "StartSettings": "core.recipe:StartSettings",
    "TileSettings": "core.pairs.settings:TileSettings",
    "CodecSettings": "core.codec.spec:CodecSettings",
    "GenerateSettings": "core.synthesis.settings:GenerateSettings",
    "PipelineSettings": "core.synthesis.settings:PipelineSettings",
    "FillSettings": "core.synthesis.settings:FillSettings",
    "ScoreSettings": "core.metrics.settings:ScoreSettings",
    "MapSettings": "core.map.settings:MapSettings",
    "ExportSettings": "core.export.settings:ExportSettings",
    "SegmentSettings": "core.gain.settings:SegmentSettings",
    "GainSettings": "core.gain.settings:GainSettings",
    "PredictSettings": "core.segmentation.settings:PredictSettings",
    "AnnotateSettings": "core.segmentation.settings:AnnotateSettings",
    "AdaptSettings": "core.adapt.settings:AdaptSettings",
    "SketchSettings": "core.adapt.sketch_settings:SketchSettings",
    "TrySettings": "core.try_settings:TrySettings",
    "ShareSettings": "core.runs.settings:ShareSettings",
    "StudySettings": "core.studies.settings:StudySettings",
    "study_settings": "core.studies.catalog:study_settings",
    "settings_form": "widgets.forms.form:settings_form",
    # long work, as generators of events
    "train": "core.training.train:train",
    "generate": "core.synthesis.generate:generate",
    "pipeline": "core.synthesis.pipeline:pipeline",
    "fill": "core.synthesis.fill_gaps:fill",
    "quick_try": "core.quick_try:quick_try",
    "study": "core.studies.study:study",
    "adapt": "core.adapt.adapt:adapt",
    "sketch": "core.adapt.sketch:sketch",
    "score": "core.scores.score:score",
    "make_map": "core.map.build:map",
    "export": "core.export.export:export",
    "segment": "core.gain.gain:segment",
    "gain": "core.gain.gain:gain",
    "predict": "core.segmentation.predict:predict",
    "annotate": "core.segmentation.annotate:annotate",
    "run_to_end": "core.job:run_to_end",
    # following it
    "Control": "core.job:Control",
    "Event": "core.job:Event",
    "Started": "core.job:Started",
    "Progress": "core.job:Progress",
    "Saved": "core.job:Saved",
    "Previewed": "core.job:Previewed",
    "Added": "core.job:Added",
    "Warned": "core.job:Warned",
    "Failed": "core.job:Failed",
    "Finished": "core.job:Finished",
    "UserError": "core.errors:UserError",
}

__all__ = ["__version__", *_PLACES]


def __getattr__(name: str) -> object:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, _, attribute = _PLACES[name].partition(":")
    value = getattr(import_module(f"{__name__}.{module}"), attribute)
    globals()[name] = value  # found without this function from now on
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_PLACES})
