"""Options that several verbs share: one name, one help text, one panel each."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from relstitch.names import PROJECTIONS, OnEmpty, OnProblem

_READ = "How the source is read"
_MODEL = "How the model runs"
_SHOW = "What is shown"
PROJECTION_HELP = (
    f"Similarity to the anchors: {', '.join(PROJECTIONS)}; several joined by +; parameters after a colon, "
    'for example "cosine+l1:top=50,power=4".'
)

Sources = Annotated[
    list[str],
    typer.Argument(
        metavar="SOURCE...",
        help="Image folder, CSV, TSV, JSONL, JSON, Parquet, text lines, .npy/.npz/.safetensors vectors, a graph "
        "(.npz), hf:NAME, - for standard input, or an embeddings file; splits by name: train=a.csv test=b.csv.",
        show_default=False,
    ),
]
Text = Annotated[str | None, typer.Option("--text", help="Column that holds the text.", rich_help_panel=_READ)]
Image = Annotated[str | None, typer.Option("--image", help="Column that holds image paths.", rich_help_panel=_READ)]
Label = Annotated[str | None, typer.Option("--label", help="Column that holds the class.", rich_help_panel=_READ)]
LabelSeparator = Annotated[
    str | None,
    typer.Option("--label-separator", help="What stands between several labels in one cell.", rich_help_panel=_READ),
]
Target = Annotated[
    list[str] | None,
    typer.Option("--target", help="Column of real-valued targets (repeatable).", rich_help_panel=_READ),
]
Id = Annotated[str | None, typer.Option("--id", help="Column that holds the ids.", rich_help_panel=_READ)]
Split = Annotated[str | None, typer.Option("--split", help="Column that names the split.", rich_help_panel=_READ)]
Count = Annotated[str | None, typer.Option("--count", help="Column of frequencies.", rich_help_panel=_READ)]
FormatChoice = Literal["csv", "tsv", "jsonl", "json", "parquet", "text", "npy", "npz", "folder"]
Format = Annotated[
    FormatChoice | None,
    typer.Option("--format", help="What the source is, if its name does not say.", rich_help_panel=_READ),
]
Delimiter = Annotated[
    str | None,
    typer.Option(
        "--delimiter", help="What stands between the cells of a CSV file; tab for a tab.", rich_help_panel=_READ
    ),
]
Header = Annotated[
    bool,
    typer.Option(
        "--header/--no-header",
        help="Whether the first line of CSV names the columns; if not, they are 1, 2, ….",
        rich_help_panel=_READ,
    ),
]
Quotes = Annotated[
    bool, typer.Option("--quotes/--no-quotes", help="Whether quotes in CSV are quotes.", rich_help_panel=_READ)
]
Encoding = Annotated[str, typer.Option("--encoding", help="Character encoding of text files.", rich_help_panel=_READ)]
Limit = Annotated[
    int | None, typer.Option("--limit", min=1, help="Only the first N rows of each split.", rich_help_panel=_READ)
]
OnEmptyChoice = Annotated[
    OnEmpty, typer.Option("--on-empty", help="Empty texts: error, skip or embed.", rich_help_panel=_READ)
]
OnBadChoice = Annotated[
    OnProblem, typer.Option("--on-bad", help="Pictures that do not open: error or skip.", rich_help_panel=_READ)
]
AllowOutside = Annotated[
    bool,
    typer.Option(
        "--allow-outside", help="Let a table's image paths leave the table's folder.", rich_help_panel=_READ
    ),
]

Model = Annotated[
    str | None,
    typer.Option(
        "--model",
        "-m",
        help="timm:NAME, st:NAME_OR_FOLDER, python:module:factory, or a folder; none for ready-made vectors.",
        rich_help_panel=_MODEL,
    ),
]
Batch = Annotated[int, typer.Option("--batch-size", min=1, help="Items per batch.", rich_help_panel=_MODEL)]
Device = Annotated[
    str | None,
    typer.Option("--device", help="cpu, cuda, cuda:1, mps; default: the best there is.", rich_help_panel=_MODEL),
]
Dtype = Annotated[
    str | None, typer.Option("--dtype", help="fp32, fp16 or bf16; the output is float32.", rich_help_panel=_MODEL)
]
Prompt = Annotated[
    str | None, typer.Option("--prompt", help='Text put before every item, e.g. "query: ".', rich_help_panel=_MODEL)
]
MaxLength = Annotated[
    int | None, typer.Option("--max-length", min=1, help="Tokens read of each text.", rich_help_panel=_MODEL)
]
Checkpoint = Annotated[
    Path | None,
    typer.Option(
        "--checkpoint", help="Weights of a timm model: a .pth or .safetensors file.", rich_help_panel=_MODEL
    ),
]
ByOrder = Annotated[
    bool,
    typer.Option(
        "--by-order", help="Accept a checkpoint whose keys differ but match in order.", rich_help_panel=_MODEL
    ),
]
TrustRemoteCode = Annotated[
    bool,
    typer.Option("--trust-remote-code", help="Let a model run code of its own.", rich_help_panel=_MODEL),
]
MaxPixels = Annotated[
    int,
    typer.Option("--max-pixels", min=1, help="Refuse pictures with more pixels than this.", rich_help_panel=_READ),
]
FailOnTruncation = Annotated[
    bool,
    typer.Option(
        "--fail-on-truncation", help="Stop if a text is longer than the model reads.", rich_help_panel=_MODEL
    ),
]

Json = Annotated[bool, typer.Option("--json", help="One JSON object on standard output.", rich_help_panel=_SHOW)]
Force = Annotated[bool, typer.Option("--force", help="Replace the output if it exists.")]
Strict = Annotated[bool, typer.Option("--strict", help="Demand that the files hold exactly the same rows.")]
