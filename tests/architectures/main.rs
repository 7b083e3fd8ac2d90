//! Logits of small random models of every architecture beside llama.cpp's.

#[path = "../common/mod.rs"]
mod common;
mod folder;
mod generated;
mod sharing;
mod states;
mod windows;
