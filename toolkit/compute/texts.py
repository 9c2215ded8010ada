"""What is said of devices, number formats and other processes, in English and Chinese side by side."""

from toolkit.base.languages import Text

DEVICE: dict[str, Text] = {
    "none": Text(
        "--device {name}: there is no such device; use cpu, cuda, cuda:1 (the second card) or mps",
        "--device {name}：没有这种设备；可用 cpu、cuda、cuda:1（第二张卡）或 mps",
    ),
    "several_processes": Text(
        "--device {name}: each of several processes uses a card of its own; use --device cuda",
        "--device {name}：多进程时每个进程各用一张卡；请用 --device cuda",
    ),
    "too_few": Text("--device {name}: this machine has {devices}", "--device {name}：这台机器有 {devices}"),
    "other_type": Text(
        "--device {own}: the main process uses {main}, and all need the same kind of device",
        "--device {own}：主进程用的是 {main}，各进程要用同一种设备",
    ),
}
PRECISION: dict[str, Text] = {
    "fp16": Text(
        "--precision fp16 needs a CUDA device, but this one is {device}; --precision auto chooses what works",
        "--precision fp16 需要 CUDA 设备，而这里是 {device}；--precision auto 会选可用的格式",
    ),
    "int8_device": Text(
        "--precision int8 works only on the CPU, but this device is {device}; add --device cpu",
        "--precision int8 只能在 CPU 上用，而这里是 {device}；请加上 --device cpu",
    ),
    "int8_processor": Text(
        "--precision int8 needs an x86 processor and a torch built with oneDNN; --precision auto chooses what works",
        "--precision int8 需要 x86 处理器和带 oneDNN 的 torch；--precision auto 会选可用的格式",
    ),
    "mps": Text(
        "--precision bf16 does not work on mps; --precision auto chooses what works",
        "--precision bf16 不能在 mps 上用；--precision auto 会选可用的格式",
    ),
}
PROCESSES: dict[str, Text] = {
    "unreachable": Text(
        "the other processes cannot be reached at {address} ({reason})", "在 {address} 连不上其他进程（{reason}）"
    ),
    "lost": Text(
        "another process has ended or cannot be reached ({reason})", "另一个进程已经结束，或者连不上（{reason}）"
    ),
}
