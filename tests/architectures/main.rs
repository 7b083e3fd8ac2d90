//! Logits of small random models of every architecture beside llama.cpp's.

mod folder;
mod generated;
mod sharing;
mod states;
mod windows;
