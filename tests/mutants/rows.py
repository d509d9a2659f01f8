"""Which modules get faults, which tests must see them, and which kinds of faults change nothing.

Of study/record those have no row that open a database or name Optuna's private parts (connection, opening,
private): what they do is seen where a database is away, and not by a value that they return.
"""

from __future__ import annotations

GAN, SCORES, LANGUAGE, GAMES = (
    f"tests/trainables/{name}" for name in ("gan", "scores", "language", "games")
)
BATCHES = (f"{GAN}/test_batches_and_streams.py", f"{GAN}/test_batches_on_a_device.py")
RECORDED = f"{GAN}/test_graphs_on_a_device.py"
RESULTS, SEARCH, RECORD = (f"tests/study/{name}" for name in ("results", "search", "record"))
DISTANCE = (f"{SCORES}/test_frechet.py", f"{SCORES}/test_frechet_on_a_device.py")
SURFACE = "tests/study/surface"

EARLY = "tests/trainables/test_early.py"
ROWS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("trainables/gan/losses.py", (f"{GAN}/test_losses.py",)),
    ("trainables/gan/regularisers.py", (f"{GAN}/test_regularisers.py",)),
    ("trainables/gan/updates.py", (f"{GAN}/test_updates.py",)),
    ("trainables/gan/schedules.py", (f"{GAN}/test_schedules.py", f"{GAN}/test_average.py")),
    ("trainables/scores/frechet.py", DISTANCE),
    (
        "trainables/scores/arithmetic.py",
        (*DISTANCE, f"{SCORES}/test_arithmetic_by_hand.py"),
    ),
    ("trainables/scores/measures.py", (f"{SCORES}/test_measures.py",)),
    (
        "study/search/stopping.py",
        tuple(f"{SEARCH}/test_{n}.py" for n in ("stopping", "judge_by_hand", "early")),
    ),
    ("study/search/ahead.py", (f"{SEARCH}/test_ahead.py", f"{SEARCH}/test_early.py")),
    ("study/search/early.py", (f"{SEARCH}/test_early.py",)),
    (
        "study/surface/gains.py",
        (*(f"{SEARCH}/test_{n}.py" for n in ("ahead", "early")), f"{SURFACE}/test_stopped.py"),
    ),
    (
        "study/surface/stopped.py",
        (f"{SURFACE}/test_stopped.py", f"{SEARCH}/test_early.py", f"{RESULTS}/test_forecasts.py"),
    ),
    ("study/search/handing.py", (f"{SEARCH}/test_handing.py", f"{SEARCH}/test_early.py")),
    ("study/search/present.py", (f"{SEARCH}/test_present_by_hand.py",)),
    ("study/search/samplers.py", (f"{SEARCH}/test_samplers_by_hand.py",)),
    ("study/search/joint.py", (f"{SEARCH}/test_joint_by_hand.py",)),
    (
        "study/search/conductor.py",
        (f"{SEARCH}/test_conductor_by_hand.py", f"{SEARCH}/test_early.py"),
    ),
    ("trainables/language/ngrams.py", (f"{LANGUAGE}/test_ngrams.py",)),
    ("study/trial.py", ("tests/study/test_trial.py", f"{SEARCH}/test_early.py")),
    ("trainables/protocol.py", ("tests/trainables/test_protocol.py", "tests/study/test_trial.py")),
    (
        "trainables/plain.py",
        ("tests/trainables/test_plain.py", "tests/trainables/test_checkpoint.py"),
    ),
    ("trainables/checkpoint.py", ("tests/trainables/test_checkpoint.py",)),
    ("trainables/own_kind.py", ("tests/trainables/test_own_kind.py",)),
    ("study/search/arm.py", (f"{SEARCH}/test_arm.py", f"{SEARCH}/test_early.py")),
    ("study/record/trials.py", (f"{RECORD}/test_trials.py", f"{SEARCH}/test_early.py")),
    ("study/results/forecasts.py", (f"{RESULTS}/test_forecasts.py",)),
    (
        "study/tracking/rows.py",
        (f"{RESULTS}/test_forecasts.py", "tests/study/tracking/test_rows_by_hand.py"),
    ),
    *(
        (f"study/record/{n}.py", (f"{RECORD}/test_{n}_by_hand.py",))
        for n in ("attributes", "named", "publication", "status", "database", "lease")
    ),
    (
        "study/results/comparison.py",
        tuple(f"{RESULTS}/test_{n}.py" for n in ("comparison", "difference", "levels", "fresh")),
    ),
    (
        "study/results/difference.py",
        (f"{RESULTS}/test_difference.py", f"{RESULTS}/test_comparison.py"),
    ),
    (
        "study/results/confirmation.py",
        tuple(
            f"{RESULTS}/test_{n}.py"
            for n in ("confirmation", "seeds", "levels", "retrained", "looks")
        ),
    ),
    *(
        (f"study/results/{n}.py", (f"{RESULTS}/test_{n}.py",))
        for n in ("fresh", "advice", "effort", "finalists", "retrained")
    ),
    *(
        (f"study/results/{n}.py", (f"{RESULTS}/test_{n}.py", f"{RESULTS}/test_seeds_by_hand.py"))
        for n in ("looks", "seeds")
    ),
    *(
        (f"study/results/{n}.py", (f"{RESULTS}/test_{n}_by_hand.py",))
        for n in ("levels", "seed_difference")
    ),
    *(
        (f"study/results/{n}.py", tuple(f"{RESULTS}/test_{t}.py" for t in tests))
        for n, tests in (
            ("optimum", ("difference", "fresh", "optimum")),
            ("unexplored", ("difference", "fresh", "unexplored")),
            ("where", ("where",)),
            ("frame", ("frame", "compare_table", "forecasts")),
            ("verdict", ("verdict", "seeds", "levels")),
            ("seed_wording", ("wording",)),
            ("wording", ("wording", "verdict")),
        )
    ),
    (
        "study/surface/observations.py",
        (f"{SURFACE}/test_gaussian.py", f"{SURFACE}/test_gaussian_by_hand.py"),
    ),
    (
        "study/surface/gaussian.py",
        tuple(f"{SURFACE}/test_{n}.py" for n in ("gaussian", "gaussian_by_hand", "bound")),
    ),
    ("study/surface/plane.py", (f"{SURFACE}/test_plane.py", f"{SURFACE}/test_surface_parts.py")),
    ("study/surface/gathered.py", (f"{SURFACE}/test_surface_parts.py",)),
    (
        "study/surface/surface.py",
        (
            *(f"{SURFACE}/test_{n}.py" for n in ("candidates", "surface_parts", "surface")),
            f"{RESULTS}/test_fresh.py",
        ),
    ),
    ("study/surface/shifts.py", (f"{SURFACE}/test_shifts.py",)),
    ("study/surface/*.py", (SURFACE,)),
    ("trainables/gan/sampling.py", (f"{GAN}/test_sampling.py",)),
    (
        "trainables/gan/optimisers.py",
        tuple(f"{GAN}/test_{n}.py" for n in ("optimisers", "optimisers_held")),
    ),
    ("trainables/gan/streams.py", BATCHES),
    (
        "trainables/gan/game.py",
        (
            *(f"{GAN}/test_{n}.py" for n in ("whole_updates", "game", "game_by_hand", "resume")),
            *(f"{GAN}/test_{n}.py" for n in ("game_recorded", "precision", "in_force")),
        ),
    ),
    (
        "trainables/gan/adversarial.py",
        (*(f"{GAN}/test_{n}.py" for n in ("adversarial", "trial", "in_force")), EARLY),
    ),
    *(
        (f"trainables/gan/{n}.py", (f"{GAN}/test_average.py", f"{GAN}/test_game.py"))
        for n in ("average", "foreach")
    ),
    ("trainables/gan/outside.py", (f"{GAN}/test_outside.py",)),
    (
        "trainables/gan/graphs.py",
        (f"{GAN}/test_graphs.py", f"{GAN}/test_game_recorded.py", RECORDED),
    ),
    ("trainables/gan/placed.py", tuple(f"{GAN}/test_{n}.py" for n in ("game", "game_by_hand"))),
    ("trainables/gan/check.py", (f"{GAN}/test_check.py",)),
    (
        "trainables/gan/levels.py",
        tuple(f"{GAN}/test_{n}.py" for n in ("levels_by_hand", "levels")),
    ),
    ("trainables/gan/own_augment.py", (f"{GAN}/test_own_augment.py",)),
    ("trainables/gan/state.py", (f"{GAN}/test_state.py",)),
    (
        "trainables/gan/trial.py",
        (*(f"{GAN}/test_{n}.py" for n in ("trial_by_hand", "trial")), EARLY),
    ),
    ("trainables/gan/watch.py", (f"{GAN}/test_watch.py",)),
    (
        "trainables/networks/strided.py",
        tuple(f"tests/trainables/networks/test_{n}.py" for n in ("strided", "built_in")),
    ),
    ("trainables/gan/batches.py", BATCHES),
    ("trainables/gan/ahead.py", BATCHES),
    *(
        (f"trainables/data/{n}.py", (f"tests/trainables/data/test_{n}_by_hand.py",))
        for n in ("gather", "listing")
    ),
    *(
        (f"search_spaces/{n}.py", tuple(f"tests/search_spaces/test_{t}.py" for t in tests))
        for n, tests in (("shares", ("shares_by_hand",)), ("space", ("space", "build_space")))
    ),
    (
        "trainables/scores/scorer.py",
        (
            *(f"{SCORES}/test_{n}.py" for n in ("scorer_by_hand", "scorer", "noise", "statistics")),
            EARLY,
        ),
    ),
    ("trainables/scores/disturb.py", (f"{SCORES}/test_disturb.py",)),
    ("trainables/scores/fidelity.py", (f"{SCORES}/test_fidelity_by_hand.py",)),
    (
        "trainables/scores/statistics.py",
        (f"{SCORES}/test_statistics_by_hand.py", f"{SCORES}/test_scorer_by_hand.py"),
    ),
    ("trainables/scores/own.py", (f"{SCORES}/test_own_by_hand.py", EARLY)),
    (
        "trainables/games/figures.py",
        (f"{GAMES}/test_figures.py", f"{GAMES}/test_figures_by_hand.py"),
    ),
    *(
        (f"trainables/games/{name}.py", (f"{GAMES}/test_{name}.py", f"{GAMES}/test_whole_steps.py"))
        for name in ("heavy_ball", "network_flow", "players")
    ),
    ("trainables/games/*.py", (GAMES,)),
    (
        "trainables/language/text.py",
        tuple(f"{LANGUAGE}/test_{n}.py" for n in ("text_by_hand", "text", "scorer")),
    ),
    ("trainables/language/scorer.py", (f"{LANGUAGE}/test_scorer.py", EARLY)),
    ("trainables/language/networks.py", (f"{LANGUAGE}/test_networks.py",)),
    ("trainables/language/*.py", (LANGUAGE,)),
    ("trainables/gan/own_loss.py", (f"{GAN}/test_own_loss.py",)),
    ("trainables/gan/*.py", (GAN, "tests/trainables/test_plain_training.py")),
    (
        "trainables/scores/*.py",
        (
            *(f"{SCORES}/test_{n}.py" for n in ("scorer_by_hand", "extractor", "extractors")),
            *(f"{SCORES}/test_{n}.py" for n in ("weights", "fidelity_by_hand", "efficientnet")),
            *(f"{SCORES}/test_{n}.py" for n in ("nothing", "ceiling", "train_digits")),
        ),
    ),
)
"""Modules, and the tests that must see a fault in them: the fewer, the sooner. A module belongs to the first
row that names it; a row of a folder has what is left there."""

LEFT_OUT = {
    "trainables/gan/captures.py": "calls CUDA alone, and its tests (marker gpu) run where there is one",
}
"""Modules into which no faults are put, and why."""

EQUAL = (
    (r",\s*(strict=\w+)?\s*\)", ")", "that zip's arguments are of one length is an assertion"),
    (
        r"\bcast\([^,()]+(\[[^()]*\])?, ",
        "cast(",
        "typing's cast does not look at its first argument",
    ),
    (r"astype\((None|np\.float64)\)", "astype()", "to NumPy None is float64"),
    (
        r"\b(replace|shuffle|hidden|follow_symlinks)=(None|False)",
        "=False",
        "None is as false there, to NumPy, to os and to us",
    ),
    (r"(?i)\butf-8(-sig)?\b", "utf-8", "an encoding's name has no case"),
)
"""Kinds of faults that change nothing: a pattern and what it becomes on both sides, and the reason."""
