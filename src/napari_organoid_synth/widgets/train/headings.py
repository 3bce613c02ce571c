"""Groups of the settings of a generator."""

from __future__ import annotations

from napari_organoid_synth.widgets.forms.headings import Heading

GENERATOR = (
    Heading(
        "Networks",
        "Larger ones learn finer textures, and take more time and memory.",
        ("network", "channels", "generator_channels", "discriminator_channels", "max_channels", "latent", "width",
         "blocks", "layers", "mapping_layers", "scales", "norm", "dropout", "upsample", "skips"),
    ),
    Heading(
        "Aims of the training",
        "Each weight says how much an aim counts beside the others.",
        ("loss", "adversarial", "l1_weight", "feature_weight", "cycle_weight", "identity_weight",
         "reconstruction_loss", "image_critic", "perceptual", "vgg19_weights", "perceptual_weight", "adv_weight",
         "critic_steps", "penalty", "penalty_weight", "category_weight", "continuous_weight", "gamma", "r1_at",
         "path_length", "path_weight"),
    ),
    Heading(
        "How it learns",
        "",
        ("learning_rate", "generator_rate", "rates", "beta1", "decay_from", "ema_half_life", "ema_kimg", "augment",
         "augment_probability", "augment_groups", "ada_target", "ada_kimg", "first_size", "fade_share", "last_images",
         "batch_growth", "mixing", "least_time", "drop_mask"),
    ),
    Heading(
        "How it draws",
        "",
        ("sampling_steps", "guidance", "noise", "samples_from", "categories", "continuous", "quality", "sources",
         "turn"),
    ),
)  # fmt: skip
"""Of the settings of all generators; those of an added one that are not named here stand above."""
