"""The names of scores as they are printed, and what is said of runs, in English and Chinese side by side."""

from toolkit.base.languages import Text

SCORES: dict[str, Text] = {
    "accuracy": Text("accuracy", "准确率"),
    "f1": Text("f1", "F1"),
    "loss": Text("loss", "损失"),
    "macro_f1": Text("macro f1", "宏平均 F1"),
    "mcc": Text("mcc", "MCC"),
    "micro_f1": Text("micro f1", "微平均 F1"),
    "sample_f1": Text("sample f1", "按行平均 F1"),
    "subset_accuracy": Text("subset accuracy", "完全正确率"),
    "test_micro_f1": Text("test micro f1", "测试集微平均 F1"),
    "test_accuracy": Text("test accuracy", "测试集准确率"),
    "test_macro_f1": Text("test macro f1", "测试集宏平均 F1"),
    "train_loss": Text("train loss", "训练损失"),
    "valid_loss": Text("valid loss", "验证损失"),
}
PROGRESS: dict[str, Text] = {
    "evaluation": Text("epoch {epoch:<5g} step {step:<6} {scores}{mark}", "轮 {epoch:<5g} 步 {step:<6} {scores}{mark}"),
    "best": Text("  best so far", "  目前最好"),
    "kept": Text("kept: epoch {epoch:g}, step {step}, {scores}", "保留：第 {epoch:g} 轮，第 {step} 步，{scores}"),
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
MODELS_IN_THE_WAY: dict[str, Text] = {  # where a run or a model is to be written
    "base": Text(
        (
            "--train {train} saves only what was trained, which is of use only with {model}, and would replace that; "
            "choose another --output_dir"
        ),
        ("--train {train} 只保存训练过的部分，要与 {model} 一起才能用，而它会把 {model} 覆盖；请换一个 --output_dir"),
    ),
    "teacher": Text(
        "--teacher {folder} is in the --output_dir of the new run; choose another --output_dir",
        "--teacher {folder} 就在新训练的 --output_dir 里；请换一个 --output_dir",
    ),
    "merge_all": Text(
        "--merge {folder}: with --train all the whole model is saved anyway, in --output_dir",
        "--merge {folder}：用 --train all 时，完整的模型本来就保存在 --output_dir 里",
    ),
    "merge": Text(
        "--merge {folder}: it is in the way; move it, or name another directory",
        "--merge {folder}：已有这个目录或文件；请移走它，或指定别的目录",
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
WEIGHTS: dict[str, Text] = {  # of a model directory, that do not go with the rest
    "missing": Text(
        "{folder}: {file} does not fit run.json (weights missing: {count})",
        "{folder}：{file} 与 run.json 不符（缺少 {count} 个权重）",
    ),
    "unlike": Text("{path}: it does not fit the model ({reason})", "{path}：与模型不符（{reason}）"),
    "unknown": Text(
        "{path}: it does not fit the model, which has no such weight as {name}",
        "{path}：与模型不符，模型没有 {name} 这样的权重",
    ),
    "no_base": Text(
        "--model_dir {folder}: it has only what was trained of {model}, and that model is not here ({reason})",
        "--model_dir {folder}：里面只有 {model} 中训练过的部分，而那个模型不在这里（{reason}）",
    ),
    "other_base": Text(
        (
            "--model_dir {folder}: it has only what was trained of {model}, and the weights in {other} are others "
            "(run.json has the sha256 of the right ones)"
        ),
        (
            "--model_dir {folder}：里面只有 {model} 中训练过的部分，而 {other} 里是别的权重"
            "（run.json 里有正确权重的 sha256）"
        ),
    ),
}
RESUMING: dict[str, Text] = {  # why a run cannot be continued
    "other_version": Text(
        "--resume: the run was started by another version of this project ({reason})",
        "--resume：这次训练是用本项目的另一个版本开始的（{reason}）",
    ),
    "damaged": Text("--resume: {path} is damaged ({reason})", "--resume：{path} 已损坏（{reason}）"),
    "missing": Text("--resume: {path} is missing", "--resume：缺少 {path}"),
    "unlike": Text(
        "--resume: {file} does not fit this model ({reason})", "--resume：{file} 与这个模型不符（{reason}）"
    ),
    "no_checksum": Text("it has no checksum; it may be from an older version", "里面没有校验和；可能是旧版本写的"),
    "checksum": Text("its checksum does not match its content", "校验和与内容不符"),
    "checksum_elsewhere": Text("its checksum does not match the one in state.json", "校验和与 state.json 里的不符"),
    "other_best": Text(
        "--resume: {folder} is not the best model of this run, which is from step {step}",
        "--resume：{folder} 不是这次训练的最好模型，最好的在第 {step} 步",
    ),
    "other_kept": Text(
        "--resume: {folder} is not the model of seed {seed}, the best of these runs",
        "--resume：{folder} 不是种子 {seed} 的模型，而它是这些训练中最好的",
    ),
    "precision": Text(
        ("--resume: the run used {before}, but this machine would continue in {now}; --precision {before} keeps it"),
        "--resume：这次训练用的是 {before}，而这台机器会用 {now} 继续；用 --precision {before} 保持不变",
    ),
    "vocabulary": Text(
        (
            "--resume: the files have other tokens than when the run began, so that --trim_vocabulary leaves another "
            "vocabulary; give it the same training, validation and test files"
        ),
        (
            "--resume：文件里的词元与训练开始时不同，--trim_vocabulary 会留下不同的词表；"
            "请用相同的训练集、验证集和测试集文件"
        ),
    ),
    "teacher": Text(
        "--resume: the model in {folder}, a --teacher, has changed since the run began",
        "--resume：训练开始以后，{folder} 里的教师模型（--teacher）变了",
    ),
    "file": Text("--resume: {file} has changed since the run began", "--resume：训练开始以后，{file} 变了"),
    "other_file": Text(
        "--resume: {file} is not the same as {before}, the run's --{name}_file",
        "--resume：{file} 与这次训练的 --{name}_file（{before}）不同",
    ),
    "rows": Text(
        (
            "--resume: {now:,} rows of {file} are used, but {before:,} when the run began; --drop_leaked leaves out "
            "other rows because the other files have changed"
        ),
        (
            "--resume：{file} 现在使用 {now:,} 行，而训练开始时是 {before:,} 行；"
            "因为别的文件变了，--drop_leaked 去掉的行也变了"
        ),
    ),
    "tokens": Text(
        "--resume: --model has changed: its tokenizer turns {file} into other tokens than when the run began",
        "--resume：--model 变了：它的分词器对 {file} 的切分与训练开始时不同",
    ),
}
SEEDS: dict[str, Text] = {  # why runs with several cannot begin
    "single": Text("--seeds {seeds}: the run to resume has 1", "--seeds {seeds}：要接着训练的这次训练只有 1 个种子"),
    "too_large": Text(
        "--seeds {seeds}: the last seed would be above {most}", "--seeds {seeds}：最后一个种子会大于 {most}"
    ),
    "replaced_model": Text(
        (
            "--seeds {seeds}: the runs so far began with {model}, which the best of them has replaced, so no other run "
            "can begin with it"
        ),
        ("--seeds {seeds}：前面的训练是从 {model} 开始的，而它已被其中最好的模型替换，不能再从它开始别的训练"),
    ),
    "model_in_the_way": Text(
        "--model {model} is where the run with seed {seed} puts its model; move it, or choose another --output_dir",
        "--model {model} 正是种子 {seed} 的训练要存放模型的地方；请移走它，或换一个 --output_dir",
    ),
}
AVERAGING: dict[str, Text] = {  # why models cannot be averaged
    "twice": Text("--model_dir names {folder} twice", "--model_dir 里 {folder} 写了两次"),
    "problem": Text(
        "--model_dir: {first} and {second} cannot be averaged: {problem}",
        "--model_dir：{first} 和 {second} 不能取平均：{problem}",
    ),
    "labels": Text(
        "the labels of the first are {first}, those of the second {second}",
        "前一个的标签是 {first}，后一个的标签是 {second}",
    ),
    "label_sets": Text(
        "one gives a text one label, the other any number of them", "一个给每条文本一个标签，另一个可以给多个"
    ),
    "kinds": Text(
        "the first was trained on {first}, the second on {second}", "前一个是用{first}训练的，后一个是用{second}训练的"
    ),
    "column": Text(
        "the first reads the column {first}, the second {second}; {option} names one for both",
        "前一个读 {first} 列，后一个读 {second} 列；请用 {option} 为两者指定同一列",
    ),
}
KINDS_OF_TEXTS: dict[bool, Text] = {  # by whether they are pairs
    True: Text("pairs of texts", "文本对"),
    False: Text("single texts", "单条文本"),
}
HELD_OUT: dict[str, Text] = {  # what is wrong with the rows that run.json says were held out
    "unreadable": Text("it does not say which rows were held out", "没有写明留出了哪些行"),
    "other_count": Text("it does not say which of {rows:,} rows were held out", "没有写明 {rows:,} 行中留出了哪些行"),
}
TENSORBOARD = Text(
    "--tensorboard needs the package tensorboard (pip install tensorboard)",
    "--tensorboard 需要软件包 tensorboard（pip install tensorboard）",
)
SEVERAL_MODELS = Text(
    "--model_dir names {count} models; --output_dir says where their common scores go",
    "--model_dir 有 {count} 个模型；请用 --output_dir 指定它们共同的分数写到哪里",
)
VALIDATION_SCORES: dict[str, Text] = {
    "none": Text(
        "{option} needs {file}, which is not there: an older main.py wrote the model; train it again",
        "{option} 需要 {file}，但没有这个文件：模型是旧版 main.py 写的；请重新训练",
    ),
    "damaged": Text("{file}: cannot be used ({reason}); train again", "{file}：不能使用（{reason}）；请重新训练"),
    "misfit": Text("it does not fit run.json", "与 run.json 不符"),
}
