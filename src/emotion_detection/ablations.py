"""What each part of a training recipe is worth: one base, and arms that change one thing of it. Data only.

All arms learn from the same faces with the same seed and the same budget: about as much time as the base takes for its
eight epochs at 64 px (a quarter of an hour on two cores). An arm whose steps cost more has fewer epochs, so that arms
are equal in time, not in epochs. They are compared on PublicTest; `recipes.ABLATIONS` builds the recipes, named
`abl_<arm>`.
"""

BASE = {
    "name": "abl_base",
    "display_name": "base",
    "epochs": 8,
    "batch_size": 32,
    "learning_rate": 1e-3,
    "input_px": 64,
    "optimizer": "adamw",
    "label_smoothing": 0.1,
}
"""Settings of the base: all layers trained at 64 px, AdamW with cosine decay, label smoothing, mild augmentation."""

STRONGER = {"rotation_deg": 30.0, "shift": 0.15, "zoom": 0.2, "shear": 0.15, "contrast": 0.3, "brightness": 0.15}

ARMS = {
    "48px": ("48 px, 9 epochs", {"input_px": 48, "epochs": 9}),
    "stem": ("48 px, first stride 1, 4 epochs", {"input_px": 48, "stem_stride": 1, "epochs": 4}),
    "96px": ("96 px, 4 epochs", {"input_px": 96, "epochs": 4}),
    "112px": ("112 px, 3 epochs", {"input_px": 112, "epochs": 3}),
    "progressive": (
        "48, 64, then 96 px",
        {"input_px": 96, "epochs": 7, "stages": ((48, 3), (64, 2), (96, 2))},
    ),
    "sgd": ("SGD, Nesterov momentum", {"optimizer": "sgd", "learning_rate": 0.05}),
    "batch_64": ("batches of 64, rate 0.0014", {"batch_size": 64, "learning_rate": 1.4e-3}),
    "sharpness": ("sharpness-aware (SAM), 4 epochs", {"sharpness_radius": 0.05, "epochs": 4}),
    "stronger": ("stronger augmentation", {"augmentation": STRONGER}),
    "randaugment": ("RandAugment, 2 operations", {"augmentation": {"randaugment": 2}}),
    "erasing": ("random erasing", {"augmentation": {"erasing": 0.5}}),
    "mixup": ("mixup", {"augmentation": {"mixup": 1.0}}),
    "cutmix": ("CutMix", {"augmentation": {"cutmix": 0.5}}),
    "no_smoothing": ("no label smoothing", {"label_smoothing": 0.0}),
    "ferplus_blend": ("half FER+ votes in the targets", {"ferplus_blend": 0.5}),
    "ferplus_only": ("FER+ votes alone", {"ferplus_only": True}),
    "ferplus_auxiliary": ("FER+ as a second task", {"ferplus_auxiliary": 0.5}),
    "ema": ("averaged weights, decay 0.999", {"ema": 0.999}),
    "drop_conflicting": ("without conflicting labels", {"drop_conflicting": True}),
    "less_decay": ("weight decay 0.001", {"weight_decay": 0.001}),
    "more_dropout": ("dropout 0.5", {"dropout": 0.5}),
    "distilled": (
        "taught by four earlier arms",
        {
            "teachers": ("abl_base-s0", "abl_96px-s0", "abl_stronger-s0", "abl_ferplus_blend-s0"),
            "distillation": 0.5,
            "distillation_temperature": 2.0,
        },
    ),
}
"""Arm → words for figures, and what changes; settings of augmentation are changed one by one."""
