"""What differs in the organoid study from the published way, and why."""

from __future__ import annotations

from napari_organoid_synth.core.studies.organoid_settings import OrganoidSettings
from napari_organoid_synth.core.studies.page import Deviation


def deviations(settings: OrganoidSettings, images: int) -> list[Deviation]:
    """Return what is not as published; ``images`` is the number of originals."""
    found = [
        Deviation(
            "Images",
            "40 bright-field images, cropped and resized to 250 × 250 px",
            f"{images} images, the middle square of each at {settings.side} × {settings.side} px, grey",
            "your images; where the study cropped is not said",
        ),
        Deviation(
            "Size of the networks",
            "not given",
            f"{settings.tile} px: images are mirrored at their edges, samples are cut back",
            "networks that halve images need powers of two",
        ),
        Deviation(
            "Masks",
            "images alone are drawn",
            "image and mask are drawn together",
            "so that a drawn image needs no annotation before a U-Net learns from it",
        ),
        Deviation(
            "FID",
            "values of 0.47 to 4 with an extractor that is not named",
            f"features of '{settings.extractor}', beside KID",
            "such values cannot come from the usual 2048 features and 40 images; FID of few images is biased",
        ),
        Deviation(
            "MSE, PSNR, mutual information",
            "MSE near 100 with a PSNR of 12 to 16 dB, which do not fit each other",
            "floating point, range 0 to 255; mutual information from 0 to 1",
            "squares of 8-bit differences wrap around at 256",
        ),
        Deviation(
            "Blur",
            "variance of what a filter removes; low is called sharp",
            "the same with a median filter, judged against the originals in both directions",
            "noise raises it and blur lowers it",
        ),
        Deviation(
            "t-SNE",
            "perplexity 80 of 80 images",
            "30, or a third of the images",
            "the perplexity must be smaller than the number of images",
        ),
        Deviation(
            "Features of the t-SNE",
            "those of the generators",
            "the codes of each autoencoder"
            if settings.features == "own"
            else f"those of '{settings.extractor}' for all (features: ours)",
            "as published; maps of different features cannot be compared"
            if settings.features == "own"
            else "one network for all, so that maps can be compared",
        ),
        Deviation(
            "InfoGAN",
            "said to feed the images of one epoch into the next",
            "as its authors published it",
            "the description is not InfoGAN",
        ),
        Deviation(
            "U-Net",
            "1000 epochs on all images but one",
            f"{settings.segmenter_steps:,} steps; of eight images or more a fifth is kept back to see what was learned",
            "no training is judged on the image that is tested",
        ),
    ]
    if settings.protocol == "published":
        found.append(
            Deviation(
                "Tested images",
                "the generators saw them",
                "the same (protocol: published)",
                "as published; set 'protocol: honest' for numbers that hold for new images",
            )
        )
    if settings.size == "small":
        found.append(
            Deviation(
                "Length",
                "2000 epochs",
                f"{settings.epochs:,} epochs, smaller networks",
                "so that it ends within an hour on two cores",
            )
        )
    return found
