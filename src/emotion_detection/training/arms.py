"""What each part of a training recipe is worth, in two rounds of arms that change one thing of a base. As data.

All arms of a round learn from the same faces with the same seed, for about as long as their base does (a dozen minutes
on two cores): an arm whose steps cost more has fewer epochs. They are compared with their base on PublicTest.

The early round begins at ImageNet's weights: which size, batch and optimiser learn fastest? What keeps a network from
memorising cannot show there, since nothing is memorised in so few epochs. So the late round goes on from TL whole,
which has seen every face ten times: what still helps a network that is already good?

`recipes.ABLATIONS` builds the recipes, named by `recipe_name`.
"""

PREFIX = {"early": "abl", "late": "late"}
"""Round → how the names of its recipes begin."""


def recipe_name(part: str, arm: str) -> str:
    """Return the name of an arm's recipe, or of the round's "base"."""
    return f"{PREFIX[part]}_{arm}"


BASES = {
    "early": {
        "name": "abl_base",
        "display_name": "base: 64 px, 8 epochs",
        "epochs": 8,
        "batch_size": 32,
        "learning_rate": 1e-3,
        "input_px": 64,
        "optimizer": "adamw",
        "label_smoothing": 0.1,
    },
    "late": {
        "name": "late_base",
        "display_name": "base: 96 px, 4 epochs more",
        "epochs": 4,
        "batch_size": 32,
        "learning_rate": 5e-4,
        "warmup_epochs": 0.25,
        "input_px": 96,
        "optimizer": "adamw",
        "label_smoothing": 0.1,
        "continues": "tl_whole",
    },
}
"""Round → settings of its base: all layers trained, AdamW with cosine decay, label smoothing, mild augmentation."""

STRONGER = {"rotation_deg": 30.0, "shift": 0.15, "zoom": 0.2, "shear": 0.15, "contrast": 0.3, "brightness": 0.15}

ARMS = {
    "early": {
        "48px": ("48 px, 9 epochs", {"input_px": 48, "epochs": 9}),
        "stem": ("48 px, first stride 1, 4 epochs", {"input_px": 48, "stem_stride": 1, "epochs": 4}),
        "96px": ("96 px, 4 epochs", {"input_px": 96, "epochs": 4}),
        "112px": ("112 px, 3 epochs", {"input_px": 112, "epochs": 3}),
        "128px": ("128 px, 2 epochs", {"input_px": 128, "epochs": 2}),
        "progressive": (
            "48, 64, then 96 px, 7 epochs",
            {"input_px": 96, "epochs": 7, "stages": ((48, 3), (64, 2), (96, 2))},
        ),
        "sgd": (
            "SGD, Nesterov momentum, rate 0.02",
            {"optimizer": "sgd", "learning_rate": 0.02, "weight_decay": 5e-4},
        ),
        "batch_64": ("batches of 64, rate 0.0014", {"batch_size": 64, "learning_rate": 1.4e-3}),
        "low_rate": ("rate 0.0003", {"learning_rate": 3e-4}),
    },
    "late": {
        "112px": ("112 px, 3 epochs", {"input_px": 112, "epochs": 3}),
        "sharpness": ("sharpness-aware (SAM), 2 epochs", {"sharpness_radius": 0.05, "epochs": 2}),
        "stronger": ("stronger augmentation", {"augmentation": STRONGER}),
        "randaugment": ("RandAugment, 2 operations", {"augmentation": {"randaugment": 2}}),
        "poor_camera": (
            "blur, noise and JPEG",
            {"augmentation": {"blur_px": 1.0, "noise": 0.08, "jpeg_quality": 20}},
        ),
        "erasing": ("random erasing", {"augmentation": {"erasing": 0.5}}),
        "mixup": ("mixup", {"augmentation": {"mixup": 1.0}}),
        "cutmix": ("CutMix in half of the batches", {"augmentation": {"cutmix": 0.5}}),
        "no_smoothing": ("no label smoothing", {"label_smoothing": 0.0}),
        "ferplus_blend": ("half FER+ votes in the targets", {"ferplus_blend": 0.5}),
        "ferplus_auxiliary": ("FER+ as a second task", {"ferplus_auxiliary": 0.5}),
        "ema": ("averaged weights, decay 0.999", {"ema": 0.999}),
        "cycles": ("averaged ends of 2 cycles", {"cycles": 2}),
        "drop_conflicting": ("without conflicting labels", {"drop_conflicting": True}),
        "distilled": (
            "taught by four earlier arms",
            {
                "teachers": ("late_base-s0", "late_mixup-s0", "late_stronger-s0", "late_ferplus_blend-s0"),
                "distillation": 0.5,
                "distillation_temperature": 2.0,
            },
        ),
        "distilled_other": (
            "taught by one other network",
            {"teachers": ("whole_longer-s0",), "distillation": 0.5},
        ),
    },
}
"""Round → arm → words for figures, and what changes; settings of augmentation are changed one by one."""
