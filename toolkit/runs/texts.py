"""The names of scores as they are printed, and what is said of runs, in English and Chinese side by side."""

from toolkit.base.languages import Text

SCORES: dict[str, Text] = {
    "accuracy": Text("accuracy", "准确率"),
    "f1": Text("f1", "F1"),
    "loss": Text("loss", "损失"),
    "macro_f1": Text("macro f1", "宏平均 F1"),
    "mcc": Text("mcc", "MCC"),
    "test_accuracy": Text("test accuracy", "测试集准确率"),
    "test_macro_f1": Text("test macro f1", "测试集宏平均 F1"),
    "train_loss": Text("train loss", "训练损失"),
    "valid_loss": Text("valid loss", "验证损失"),
}
PROGRESS: dict[str, Text] = {
    "evaluation": Text("epoch {epoch:<5g} step {step:<6} {scores}{mark}", "轮 {epoch:<5g} 步 {step:<6} {scores}{mark}"),
    "best": Text("  best so far", "  目前最好"),
    "no_number": Text("no number", "不是数"),
    "speed": Text("{seconds:.0f} s, {speed:,.0f} tokens a second", "{seconds:.0f} 秒，每秒 {speed:,.0f} 个词元"),
}
RUNS: dict[str, Text] = {
    "changed": Text(
        "--{option} {value}: the run to resume has {before}", "--{option} {value}：要接着训练的这次训练用的是 {before}"
    ),
    "none_yet": Text("there is no run in {folder} yet, so a new one begins", "{folder} 里还没有训练，所以重新开始"),
    "seed_of": Text("{seed}, run {number} of {count}", "{seed}，第 {number} 次训练（共 {count} 次）"),
    "seed": Text("seed {seed}", "种子 {seed}"),
    "mean": Text("mean ± sd", "均值 ± 标准差"),
    "kept": Text(
        "seed {seed} has the best {score}; its run is kept in {folder}",
        "种子 {seed} 的{score}最好；这次训练保留在 {folder}",
    ),
}
IN_THE_WAY: dict[str, Text] = {
    "run": Text(
        (
            "{folder} already holds a run; --overwrite replaces it, --resume continues it, and another --output_dir "
            "leaves it alone"
        ),
        "{folder} 里已有一次训练；--overwrite 会替换它，--resume 会接着训练，换一个 --output_dir 则不动它",
    ),
    "other_model": Text(
        "{folder} is in the way: main.py did not write it; move it, or choose another --output_dir",
        "{folder} 不是 main.py 写的，不能覆盖；请移走它，或换一个 --output_dir",
    ),
}
MODEL_DIRECTORY: dict[str, Text] = {
    "none": Text(
        "{option} {folder}: {problem}; python main.py writes a model directory",
        "{option} {folder}：{problem}；模型目录由 python main.py 写出",
    ),
    "problem": Text("{option} {folder}: {problem}", "{option} {folder}：{problem}"),
    "pickle": Text(
        "{file} is a pickle, which can run code, and main.py writes none; remove it",
        "{file} 是 pickle 文件，可以执行代码，而 main.py 不写这种文件；请删掉它",
    ),
    "missing": Text("it has no {name}", "里面没有 {name}"),
    "columns": Text("its columns are not those of a classifier", "其中的 columns 不是分类器的列"),
    "positive_label": Text("its positive_label is none of its labels", "其中的 positive_label 不在标签里"),
    "no_run_json": Text("it has no run.json", "里面没有 run.json"),
    "no_directory": Text("there is no such directory", "没有这个目录"),
}
SEVERAL_MODELS = Text(
    "--model_dir names {count} models; --output_dir says where their common scores go",
    "--model_dir 有 {count} 个模型；请用 --output_dir 指定它们共同的分数写到哪里",
)
