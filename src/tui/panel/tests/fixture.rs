//! A conversation as the engine would tell it, and what a panel draws of it as text.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::engine::event::{
    Archived, CachePicture, Event, EvictionRound, InForce, LayerEviction, Mode, ModelInfo,
    PolicyInfo, Stop, Trigger, TurnStats,
};
use crate::policy::{Budget, Preset};
use crate::tui::observed::Observed;
use crate::tui::panel::{Look, Panel, Panels};
use crate::tui::theme::{Depth, Theme};

/// Bytes of an entry: head dimension 64, keys and values in f16.
const ENTRY: u64 = 256;

pub struct Shape {
    pub layers: usize,
    pub heads: usize,
    pub budget: u32,
}

pub const SMOL: Shape = Shape {
    layers: 30,
    heads: 3,
    budget: 1024,
};

/// Between 0 and 1, the same on every machine.
fn noise(a: usize, b: usize) -> f64 {
    let mut x = (a as u64 * 0x9e37_79b9 + b as u64 * 0x85eb_ca6b + 0x1234_5678) ^ 0xabcd_ef12;
    for _ in 0..3 {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
    }
    (x % 10_007) as f64 / 10_007.0
}

/// Adaptive budgets of a layer: uneven, the same sum in every layer.
fn budgets(shape: &Shape, layer: usize) -> Vec<u32> {
    let weights: Vec<f64> = (0..shape.heads)
        .map(|h| 0.25 + noise(layer, h).powi(3) * 2.0)
        .collect();
    let sum: f64 = weights.iter().sum();
    let total = f64::from(shape.budget) * shape.heads as f64;
    weights.iter().map(|w| (w / sum * total) as u32).collect()
}

impl Shape {
    pub fn ready(&self) -> Observed {
        let mut o = Observed::default();
        let model = ModelInfo {
            name: "SmolLM2-135M".into(),
            device: "cpu".into(),
            layers: self.layers,
            heads: self.heads * 3,
            kv_heads: self.heads,
            head_dim: 64,
            context: 8192,
            weight_bytes: 98_362_432,
            ..ModelInfo::default()
        };
        let policy = PolicyInfo {
            preset: Preset::ADA_SNAPKV,
            budget: Budget::Tokens(self.budget as usize),
            in_force: InForce::Entries(self.budget as usize),
            window: 32,
            slack: 128,
        };
        let model = Box::new(model);
        o.event(&Event::Ready { model, policy }, 0.0, "12:04:00");
        o.event(&self.archived(0), 0.0, "12:04:00");
        o
    }

    fn picture(&self, lens: Vec<Vec<u32>>, position: usize) -> CachePicture {
        let entries: u64 = lens.iter().flatten().map(|&n| u64::from(n)).sum();
        CachePicture {
            used_bytes: entries * ENTRY,
            allocated_bytes: entries * ENTRY * 21 / 20,
            full_bytes: (position * self.layers * self.heads) as u64 * ENTRY,
            process: crate::engine::event::ProcessMemory {
                resident: 214 << 20,
                mapped: 31 << 20,
            },
            position,
            lens,
            ..CachePicture::default()
        }
    }

    /// So many tokens are archived on the disk.
    pub fn archived(&self, tokens: usize) -> Event {
        Event::Archive(Box::new(Archived {
            mode: Mode::Disk,
            tokens,
            bytes: (tokens.next_multiple_of(64) * self.layers * self.heads) as u64 * ENTRY,
            path: Some("/home/ada/.cache/cachat/archive/b179c9523d0e6a0f".into()),
        }))
    }

    /// A prefill of `tokens` after layer `filled`.
    pub fn prefilling(&self, o: &mut Observed, tokens: usize, filled: usize, at: f64) {
        let lens = (0..self.layers).map(|l| match l < filled {
            true => budgets(self, l),
            false => vec![0; self.heads],
        });
        let mut picture = self.picture(lens.collect(), tokens);
        picture.filled_layers = Some(filled);
        o.picture(picture, at);
        o.event(
            &Event::Prefill {
                turn: 1,
                done: filled,
                total: self.layers,
                tokens,
                seconds: at - 1.0,
            },
            at,
            "12:04:20",
        );
    }

    pub fn round(&self, turn: u32, trigger: Trigger, before: u32) -> EvictionRound {
        let layers: Vec<LayerEviction> = (0..self.layers)
            .map(|l| {
                let budgets = budgets(self, l);
                let retained = |lift: f32| {
                    (0..self.heads)
                        .map(|h| 0.93 + 0.05 * noise(l + 7, h) as f32 + lift)
                        .collect::<Vec<f32>>()
                };
                LayerEviction {
                    layer: l,
                    before_entries: before as usize * self.heads,
                    budgets,
                    retained: retained(0.013),
                    uniform_retained: retained(0.0),
                }
            })
            .collect();
        let after: u32 = layers.iter().flat_map(|l| &l.budgets).sum();
        let before_entries = before as usize * self.heads * self.layers;
        EvictionRound {
            trigger,
            turn,
            before_entries,
            after_entries: after as usize,
            freed_bytes: (before_entries - after as usize) as u64 * ENTRY,
            recalled_entries: 0,
            retained_mass: 0.971,
            uniform_retained_mass: 0.958,
            milliseconds: 318.0,
            layers,
        }
    }

    /// A question about what was said: a part of what was dropped comes back.
    pub fn recalled(&self, turn: u32, said: u32) -> EvictionRound {
        let mut round = self.round(turn, Trigger::Recall, said);
        round.recalled_entries = round.after_entries * 2 / 5;
        round.milliseconds = 61.0;
        round
    }

    /// Two turns: a long document, then a question; `decoded` tokens of answers with evictions.
    pub fn conversation(&self) -> Observed {
        let mut o = self.ready();
        for filled in 0..=self.layers {
            let took = filled as f64 * 0.3 + 0.25 * noise(filled, 1);
            self.prefilling(&mut o, 7440, filled, 1.0 + took);
        }
        let round = self.round(1, Trigger::Prefill, 7440);
        o.event(&Event::Eviction(Box::new(round)), 10.1, "12:04:31");
        let mut at = 10.2;
        let mut seconds = 0.0;
        let mut grown = 0;
        for generated in 1..=400usize {
            let took = 0.010 + 0.008 * noise(generated / 30, 3) + 0.004 * noise(generated, 3);
            (at, seconds, grown) = (at + took, seconds + took, grown + 1);
            if grown > 128 {
                let mut round = self.round(1, Trigger::Decode, self.budget + 128);
                // Later rounds concern some layers only.
                match generated {
                    300.. => round.layers = round.layers.split_off(self.layers - 1),
                    200.. => round.layers.truncate(12),
                    _ => {}
                }
                let kept: u32 = round.layers.iter().flat_map(|l| &l.budgets).sum();
                let before: usize = round.layers.iter().map(|l| l.before_entries).sum();
                (round.before_entries, round.after_entries) = (before, kept as usize);
                round.freed_bytes = (before as u64 - u64::from(kept)) * ENTRY;
                o.event(&Event::Eviction(Box::new(round)), at, "12:04:39");
                grown = 0;
            }
            let lens = (0..self.layers).map(|l| budgets(self, l));
            let lens = lens.map(|heads| heads.iter().map(|n| n + grown).collect());
            if generated % 8 == 0 {
                o.picture(self.picture(lens.collect(), 7440 + generated), at);
            }
            let position = 7440 + generated;
            o.event(
                &Event::Decoded {
                    turn: 1,
                    generated,
                    seconds,
                    position,
                },
                at,
                "12:04:40",
            );
        }
        let stats = TurnStats {
            turn: 1,
            stop: Stop::Eos,
            prompt_tokens: 7440,
            reused_tokens: 0,
            recalled_entries: 0,
            generated_tokens: 400,
            thought_tokens: 0,
            prefill_seconds: 9.16,
            decode_seconds: seconds,
            drafts: Default::default(),
        };
        o.event(&Event::Tokens(words(7840)), at, "12:04:45");
        o.picture.holders = (0..7840).map(|i| held(self, i)).collect();
        o.event(&Event::TurnFinished(stats), at, "12:04:45");
        o.event(&self.archived(7840), at, "12:04:45");
        o
    }
}

/// Heads that hold a token: the sinks and the latest all, islands between some, most none.
fn held(shape: &Shape, position: usize) -> u16 {
    let all = shape.layers * shape.heads;
    let share = match position {
        0..=3 => 1.0,
        7700.. => 1.0,
        _ => (noise(position / 9, 5) - 0.35).max(0.0) * noise(position, 8).sqrt() * 1.4,
    };
    ((share.min(1.0) * all as f64) as usize).min(all) as u16
}

const TEXT: &str = "This agreement is made between the parties named below. Either party may end it \
    with thirty days of notice in writing, and the fees for the month that has begun stay due. \
    The supplier keeps the records for seven years; the customer may see them on any working day.\n";

fn words(n: usize) -> Vec<String> {
    let mut out = vec!["<|im_start|>".to_string(), "user".into(), "\n".into()];
    out.extend(
        TEXT.split_inclusive(' ')
            .cycle()
            .map(str::to_owned)
            .take(n - 3),
    );
    out
}

pub fn theme(depth: Depth) -> Theme {
    Theme::built_in("cachat-dark", depth).expect("built in")
}

pub fn look(theme: &Theme) -> Look<'_> {
    Look {
        theme,
        focused: false,
        zoomed: false,
        ascii: false,
    }
}

pub fn draw(panels: &Panels, panel: Panel, o: &Observed, size: (u16, u16), look: Look) -> Buffer {
    let area = Rect::new(0, 0, size.0, size.1);
    let mut buf = Buffer::empty(area);
    panels.render(panel, o, area, &mut buf, look);
    buf
}
