//! Which pre-tokenizer is which, as llama.cpp has them.

use super::super::class;
use super::step::Step::{self, Gpt2, Groups, Isolate, IsolateBehind, Thousands, TrailingSpaces};
use super::words;

/// A pre-tokenizer.
pub struct Pre {
    pub names: &'static [&'static str],
    pub steps: &'static [Step],
    /// See [`super::Split::cut_at`].
    pub cut: Cut,
    /// A piece that is a token is taken without merging.
    pub whole: bool,
    /// A BOS is wanted where the file does not say.
    pub bos: bool,
    /// Its vocabulary is written in plain text with SentencePiece's spaces, not in GPT-2's alphabet.
    pub plain: bool,
}

/// Where a text may be cut at a line end.
#[derive(Clone, Copy)]
pub enum Cut {
    Before,
    Behind,
    Nowhere,
}

const ANY: usize = usize::MAX;

const fn pre(names: &'static [&'static str], cut: Cut, steps: &'static [Step]) -> Pre {
    Pre {
        names,
        steps,
        cut,
        whole: false,
        bos: false,
        plain: false,
    }
}

const fn whole(names: &'static [&'static str], cut: Cut, steps: &'static [Step]) -> Pre {
    Pre {
        whole: true,
        ..pre(names, cut, steps)
    }
}

const fn with_bos(names: &'static [&'static str], cut: Cut, steps: &'static [Step]) -> Pre {
    Pre {
        bos: true,
        ..whole(names, cut, steps)
    }
}

const fn plain(names: &'static [&'static str], bos: bool) -> Pre {
    Pre {
        bos,
        plain: true,
        ..pre(names, Cut::Behind, &[Isolate(line_feed, ANY)])
    }
}

const fn words(words: &'static words::Words) -> Step {
    Step::Words(words)
}

fn line_feed(c: char) -> bool {
    c == '\n'
}

fn blank(c: char) -> bool {
    c == ' '
}

fn bloom_word(c: char) -> bool {
    !class::bloom_end(c)
}

fn digit(c: char) -> bool {
    c.is_ascii_digit()
}

#[rustfmt::skip]
pub static ALL: &[Pre] = &[
    pre(&["default", ""], Cut::Before, &[
        Isolate(class::symbol, ANY), Gpt2, Isolate(class::number, ANY), Thousands,
    ]),
    pre(&[
        "gpt-2", "phi-2", "mpt", "olmo", "jais", "trillion", "granite-docling", "gigachat", "a.x-4.0",
        "mellum", "exaone4", "modern-bert", "jina-es", "jina-de", "jina-v2-es", "jina-v2-de",
        "jina-v1-en", "jina-v2-code", "roberta-bpe",
    ], Cut::Before, &[Gpt2]),
    pre(&[
        "smollm", "starcoder", "refact", "command-r", "codeshell", "exaone", "minerva-7b", "mellum2",
    ], Cut::Before, &[Isolate(class::number, 1), Gpt2]),
    pre(&["falcon"], Cut::Before, &[Isolate(class::falcon_symbol, ANY), Gpt2, Thousands]),
    with_bos(&[
        "llama3", "llama-v3", "llama-bpe", "falcon3", "falcon-h1", "pixtral", "midm-2.0", "lfm2",
        "jina-v5-nano",
    ], Cut::Behind, &[words(&words::LLAMA3)]),
    pre(&["dbrx", "smaug-bpe", "chatglm-bpe"], Cut::Behind, &[words(&words::LLAMA3)]),
    whole(&["glm4", "glm5"], Cut::Behind, &[words(&words::LLAMA3)]),
    pre(&["jais-2"], Cut::Behind, &[words(&words::JAIS2)]),
    whole(&["minicpm5"], Cut::Behind, &[Isolate(class::number, 3), words(&words::MINICPM5)]),
    pre(&[
        "qwen2", "deepseek-r1-qwen", "stablelm2", "hunyuan", "megrez", "kormo", "f2llmv2", "grok-2",
        "solar-open", "bailingmoe", "bailingmoe2", "llada-moe",
    ], Cut::Behind, &[words(&words::QWEN2)]),
    pre(&["qwen35"], Cut::Behind, &[words(&words::QWEN35)]),
    pre(&["ufakzeka"], Cut::Behind, &[words(&words::UFAKZEKA)]),
    pre(&["seed-coder"], Cut::Behind, &[words(&words::SEED_CODER)]),
    pre(&["exaone-moe"], Cut::Behind, &[words(&words::EXAONE_MOE)]),
    pre(&["laguna"], Cut::Behind, &[Isolate(line_feed, ANY), words(&words::QWEN2)]),
    with_bos(&["tekken"], Cut::Behind, &[words(&words::TEKKEN)]),
    pre(&["gpt-4o", "llama4", "kanana2", "talkie", "minimax-m2"], Cut::Behind, &[
        words(&words::GPT_4O),
    ]),
    whole(&["granite-embed-multi-97m"], Cut::Behind, &[words(&words::GRANITE_EMBEDDING)]),
    pre(&["tiny_aya", "cohere2moe"], Cut::Behind, &[
        Groups(class::number), words(&words::TINY_AYA),
    ]),
    pre(&["kimi-k2"], Cut::Behind, &[words(&words::KIMI_K2)]),
    pre(&["deepseek-v3", "hunyuan-dense", "joyai-llm", "hy_v4"], Cut::Behind, &[
        Isolate(class::number, 3), Isolate(class::cjk, ANY), words(&words::DEEPSEEK3),
    ]),
    pre(&["spark2_5"], Cut::Before, &[
        Isolate(class::number, 3), Isolate(class::cjk, ANY), words(&words::SPARK),
        Isolate(class::number, 1),
    ]),
    pre(&["afmoe"], Cut::Behind, &[
        Groups(class::number), Isolate(class::afmoe_script, ANY), words(&words::DEEPSEEK3),
    ]),
    whole(&["youtu"], Cut::Behind, &[
        Isolate(class::hangul, ANY), Isolate(class::youtu_sign, ANY), Isolate(class::bopomofo, ANY),
        Isolate(class::cjk, ANY), words(&words::YOUTU),
    ]),
    pre(&["deepseek-llm"], Cut::Before, &[
        Isolate(class::line_end, 1), IsolateBehind(class::space, class::deepseek_letter),
        IsolateBehind(class::space, class::deepseek_sign), TrailingSpaces,
        Isolate(class::deepseek_cjk, ANY), Isolate(class::number, ANY),
    ]),
    pre(&["deepseek-coder"], Cut::Before, &[
        Isolate(class::line_end, 1), IsolateBehind(class::space, class::letter),
        IsolateBehind(class::space, class::punctuation), Isolate(class::deepseek_cjk, ANY),
        Isolate(class::number, 1),
    ]),
    pre(&["poro-chat", "bloom", "gpt3-finnish"], Cut::Nowhere, &[IsolateBehind(blank, bloom_word)]),
    pre(&["viking"], Cut::Nowhere, &[
        IsolateBehind(blank, bloom_word), Isolate(class::number, 1),
    ]),
    pre(&["superbpe"], Cut::Nowhere, &[Isolate(class::number, ANY), Groups(digit)]),
    plain(&["gemma4", "granite-embed-multi-311m"], true),
    plain(&["sarvam-moe"], false),
];
