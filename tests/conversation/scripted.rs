//! A network that says what a test wants it to say, and keeps the logits that it had.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use cachat::archive::{Archive, Identity};
use cachat::model::{Description, Layers, Logits, ModelError, Network, PrefillHooks, Sequence};
use cachat::policy::{Choice, Round};

type Result<T> = std::result::Result<T, ModelError>;

/// What comes next, and what the network would have said.
#[derive(Default)]
pub struct Script {
    pub tokens: VecDeque<u32>,
    /// Behind everything that was read or decoded.
    pub logits: Vec<Vec<f32>>,
    end: u32,
}

impl Script {
    fn next(&mut self, mut logits: Vec<f32>) -> Vec<f32> {
        self.logits.push(logits.clone());
        let token = self.tokens.pop_front().unwrap_or(self.end);
        logits[token as usize] = 1e6;
        logits
    }
}

pub struct Scripted {
    inner: Arc<dyn Network>,
    script: Arc<Mutex<Script>>,
}

impl Scripted {
    /// Where the script is through, the answer ends with `end`.
    pub fn over(inner: Arc<dyn Network>, end: u32) -> (Arc<dyn Network>, Arc<Mutex<Script>>) {
        let script = Arc::new(Mutex::new(Script {
            end,
            ..Script::default()
        }));
        let network = Scripted {
            inner,
            script: script.clone(),
        };
        (Arc::new(network), script)
    }
}

impl Network for Scripted {
    fn description(&self) -> &Description {
        self.inner.description()
    }
    fn device(&self) -> String {
        self.inner.device()
    }
    fn kv_dtype(&self) -> (&'static str, usize) {
        self.inner.kv_dtype()
    }
    fn exact(&self) -> bool {
        self.inner.exact()
    }
    fn weight_bytes(&self) -> u64 {
        self.inner.weight_bytes()
    }
    fn identity(&self) -> Identity {
        self.inner.identity()
    }
    fn sequence_in(
        self: Arc<Self>,
        archive: Option<Arc<Archive>>,
        window: usize,
    ) -> Result<Box<dyn Sequence>> {
        Ok(Box::new(Said {
            inner: self.inner.clone().sequence_in(archive, window)?,
            script: self.script.clone(),
        }))
    }
    fn log_likelihoods(&self, tokens: &[u32]) -> Result<Vec<f64>> {
        self.inner.log_likelihoods(tokens)
    }
}

struct Said {
    inner: Box<dyn Sequence>,
    script: Arc<Mutex<Script>>,
}

impl Said {
    fn next(&self, logits: Option<Vec<f32>>) -> Option<Vec<f32>> {
        logits.map(|logits| self.script.lock().unwrap().next(logits))
    }
}

impl Sequence for Said {
    fn prefill(
        &mut self,
        tokens: &[u32],
        hooks: &mut dyn PrefillHooks,
    ) -> Result<Option<Vec<f32>>> {
        let logits = self.inner.prefill(tokens, hooks)?;
        Ok(self.next(logits))
    }
    fn archived(&mut self, tokens: &[u32], most: usize) -> usize {
        self.inner.archived(tokens, most)
    }
    fn recall(
        &mut self,
        tokens: &[u32],
        from: usize,
        hooks: &mut dyn PrefillHooks,
    ) -> Result<Option<Vec<f32>>> {
        let logits = self.inner.recall(tokens, from, hooks)?;
        Ok(self.next(logits))
    }
    fn archive_decoded(&mut self) -> Result<()> {
        self.inner.archive_decoded()
    }
    fn leave_archive(&mut self) {
        self.inner.leave_archive();
    }
    fn archive(&self) -> Option<&Arc<Archive>> {
        self.inner.archive()
    }
    fn tokens(&self) -> &[u32] {
        self.inner.tokens()
    }
    fn room(&self) -> usize {
        1
    }
    fn verify(
        &mut self,
        tokens: &[u32],
        stopped: &dyn Fn() -> bool,
    ) -> Result<Option<Vec<Result<Logits>>>> {
        let rows = self.inner.verify(tokens, stopped)?;
        let next = |row: Result<Logits>| {
            let row = row?.whole()?;
            Ok(self.script.lock().unwrap().next(row).into())
        };
        Ok(rows.map(|rows| rows.into_iter().map(next).collect()))
    }
    fn settle(&mut self, kept: usize) -> Result<()> {
        self.inner.settle(kept)
    }
    fn fork(&self) -> Box<dyn Sequence> {
        Box::new(Said {
            inner: self.inner.fork(),
            script: self.script.clone(),
        })
    }
    fn resize_window(&mut self, window: usize) {
        self.inner.resize_window(window);
    }
}

impl Layers for Said {
    fn description(&self) -> &Description {
        self.inner.description()
    }
    fn element_bytes(&self) -> usize {
        self.inner.element_bytes()
    }
    fn position(&self) -> usize {
        self.inner.position()
    }
    fn lens(&self, layer: usize) -> Vec<usize> {
        self.inner.lens(layer)
    }
    fn positions(&self, layer: usize, head: usize) -> &[u32] {
        self.inner.positions(layer, head)
    }
    fn used_bytes(&self) -> usize {
        self.inner.used_bytes()
    }
    fn allocated_bytes(&self) -> usize {
        self.inner.allocated_bytes()
    }
    fn layer_bytes(&self, layer: usize) -> usize {
        self.inner.layer_bytes(layer)
    }
    fn select(&self, layer: usize, index: usize, round: &mut dyn Round) -> Result<Vec<Choice>> {
        self.inner.select(layer, index, round)
    }
    fn waits(&self) -> bool {
        self.inner.waits()
    }
    fn set_aside(&mut self, layer: usize) -> Result<()> {
        self.inner.set_aside(layer)
    }
    fn keep(&mut self, layer: usize, kept: &[Vec<u32>]) -> Result<()> {
        self.inner.keep(layer, kept)
    }
    fn came_back(&self, layer: usize) -> usize {
        self.inner.came_back(layer)
    }
    fn attention_output(&self, layer: usize) -> Result<Vec<f32>> {
        self.inner.attention_output(layer)
    }
}
