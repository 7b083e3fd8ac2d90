//! No data and no area makes a panel fail, and what it says is what the engine said.

use crossterm::event::{KeyCode, KeyEvent};
use proptest::prelude::*;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::fixture::{draw, look, theme};
use crate::engine::event::{
    Archived, CachePicture, DeviceMemory, Event, EvictionRound, InForce, LayerEviction, Mode,
    ModelInfo, PolicyInfo, Trigger,
};
use crate::human;
use crate::tui::golden::text;
use crate::tui::observed::Observed;
use crate::tui::panel::{Look, Panel, Panels};
use crate::tui::theme::Depth;

fn float() -> impl Strategy<Value = f64> {
    prop_oneof![
        0.0f64..1.0,
        -1e9f64..1e18,
        Just(f64::NAN),
        Just(f64::INFINITY)
    ]
}

fn picture() -> impl Strategy<Value = CachePicture> {
    let lens = prop::collection::vec(prop::collection::vec(any::<u32>(), 0..40), 0..40);
    let bytes = prop_oneof![Just(0u64), 1u64..1 << 40, any::<u64>()];
    (
        lens,
        prop::option::of(0usize..60),
        (bytes.clone(), bytes.clone(), bytes),
        prop::option::of(any::<usize>()),
        0usize..300,
        prop::collection::vec(any::<u16>(), 0..60),
        prop::collection::vec(prop::option::of(any::<u32>()), 0..50),
        prop::collection::vec(prop::option::of(any::<u64>()), 0..50),
        (
            prop::collection::vec(prop::option::of(any::<u32>()), 0..50),
            any::<bool>(),
        ),
    )
        .prop_map(
            |(
                lens,
                filled_layers,
                bytes,
                bound,
                position,
                holders,
                windows,
                states,
                (sources, device),
            )| {
                CachePicture {
                    lens,
                    windows,
                    states,
                    sources,
                    filled_layers,
                    used_bytes: bytes.0,
                    allocated_bytes: bytes.1,
                    full_bytes: bytes.2,
                    peak_bytes: bytes.1,
                    process: crate::engine::event::ProcessMemory {
                        resident: bytes.2,
                        mapped: bytes.1,
                    },
                    device: device.then(|| DeviceMemory {
                        weights: bytes.0,
                        ..DeviceMemory::default()
                    }),
                    position,
                    bound_entries: bound,
                    holders,
                }
            },
        )
}

fn layer() -> impl Strategy<Value = LayerEviction> {
    (
        0usize..50,
        any::<u32>(),
        prop::collection::vec(any::<u32>(), 0..8),
        prop::collection::vec(prop_oneof![0f32..1.0, Just(f32::NAN)], 0..8),
    )
        .prop_map(|(layer, before, budgets, retained)| LayerEviction {
            layer,
            before_entries: before as usize,
            uniform_retained: retained.iter().rev().copied().collect(),
            budgets,
            retained,
        })
}

fn event() -> impl Strategy<Value = Event> {
    let round = (
        prop::sample::select(vec![Trigger::Prefill, Trigger::Recall, Trigger::Decode]),
        any::<u32>(),
        any::<u64>(),
        float(),
        float(),
        prop::collection::vec(layer(), 0..5),
    )
        .prop_map(|(trigger, n, freed, a, b, layers)| {
            Event::Eviction(Box::new(EvictionRound {
                trigger,
                turn: n,
                before_entries: n as usize,
                after_entries: n as usize / 2,
                freed_bytes: freed,
                recalled_entries: freed as usize,
                retained_mass: a,
                uniform_retained_mass: b,
                milliseconds: a * 1e3,
                layers,
            }))
        });
    let model = (0usize..40, 0usize..40, prop::option::of(any::<usize>())).prop_map(
        |(layers, kv_heads, budget)| Event::Ready {
            model: Box::new(ModelInfo {
                layers,
                kv_heads,
                ..ModelInfo::default()
            }),
            policy: PolicyInfo {
                in_force: budget.map_or(InForce::Unbounded, InForce::Entries),
                ..PolicyInfo::default()
            },
        },
    );
    let tokens = prop::collection::vec("\\PC{0,6}|[\x00-\x1f\u{7f}-\u{9f}]{1,3}|日本\n?", 0..40);
    prop_oneof![
        4 => round,
        1 => model,
        1 => tokens.prop_map(Event::Tokens),
        1 => (0usize..3, 0usize..60, any::<u64>()).prop_map(|(mode, tokens, bytes)| {
            let mode = Mode::ALL[mode];
            Event::Archive(Box::new(Archived { mode, tokens, bytes, path: Some("/a/b".into()) }))
        }),
        2 => (0u32..3, 0usize..40, 0usize..40, float()).prop_map(|(turn, done, total, seconds)| {
            Event::Prefill { turn, done, total, tokens: done * 9, seconds }
        }),
        2 => (0u32..3, 0usize..400, float()).prop_map(|(turn, generated, seconds)| {
            Event::Decoded { turn, generated, seconds, position: generated }
        }),
    ]
}

#[derive(Clone, Debug)]
enum Step {
    Event(Event, f64),
    Picture(CachePicture, f64),
    Key(usize, KeyCode),
    Click(usize, u16, u16),
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    let keys = prop::sample::select(vec![
        KeyCode::Up,
        KeyCode::Down,
        KeyCode::Left,
        KeyCode::Right,
        KeyCode::PageUp,
        KeyCode::PageDown,
        KeyCode::Home,
        KeyCode::End,
        KeyCode::Enter,
        KeyCode::Esc,
        KeyCode::Char('x'),
    ]);
    prop_oneof![
        6 => (event(), float()).prop_map(|(e, at)| Step::Event(e, at)),
        3 => (picture(), float()).prop_map(|(p, at)| Step::Picture(p, at)),
        6 => (0usize..5, keys).prop_map(|(p, k)| Step::Key(p, k)),
        2 => (0usize..5, any::<u16>(), 0u16..50).prop_map(|(p, x, y)| Step::Click(p, x % 130, y)),
        1 => Just(Step::Restart),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn nothing_makes_a_panel_fail_or_draw_outside(
        steps in prop::collection::vec(step(), 0..30),
        area in (0u16..130, 0u16..50, 0u16..20, 0u16..10),
        depth in prop::sample::select(vec![Depth::None, Depth::Ansi16, Depth::Ansi256, Depth::True]),
        (focused, zoomed, ascii) in any::<(bool, bool, bool)>(),
    ) {
        let theme = theme(depth);
        let look = Look { theme: &theme, focused, zoomed, ascii };
        let (mut panels, mut o) = (Panels::default(), Observed::default());
        let area = Rect::new(area.2, area.3, area.0, area.1);
        let whole = Rect::new(0, 0, area.right() + 3, area.bottom() + 3);
        let mut empty = Buffer::empty(whole);
        for step in steps {
            match step {
                Step::Event(event, at) => o.event(&event, at, "12:00:00"),
                Step::Picture(picture, at) => o.picture(picture, at),
                Step::Key(p, key) => {
                    panels.key(Panel::ALL[p], KeyEvent::from(key), &o);
                }
                Step::Click(p, x, y) => panels.click(Panel::ALL[p], area, x, y, &o),
                Step::Restart => o.restart(),
            }
            for panel in Panel::ALL {
                let mut buf = Buffer::empty(whole);
                panels.render(panel, &o, area, &mut buf, look);
                panels.summary(panel, &o);
                panels.wanted(panel, &o, area.width);
                for y in 0..whole.height {
                    for x in 0..whole.width {
                        if !area.contains((x, y).into()) {
                            prop_assert_eq!(&buf[(x, y)], &empty[(x, y)]);
                        }
                    }
                }
                // Larger than what there is to draw on.
                panels.render(panel, &o, Rect::new(3, 3, 500, 400), &mut empty, look);
                empty.reset();
            }
        }
    }

    #[test]
    fn the_bytes_shown_are_the_pictures(p in picture()) {
        prop_assume!(p.process.resident > 0 && (p.full_bytes > 0 || p.allocated_bytes > 0));
        let mut o = Observed::default();
        o.picture(p.clone(), 1.0);
        let theme = theme(Depth::True);
        let drawn = text(&draw(&Panels::default(), Panel::Memory, &o, (60, 12), look(&theme)));
        for (bytes, what) in [
            (p.used_bytes, "kept"),
            (p.full_bytes, "full cache"),
            (p.process.resident, "process"),
        ] {
            let figure = format!("{} {what}", human::bytes(bytes));
            prop_assert!(drawn.contains(&figure), "{figure} in\n{drawn}");
        }
        if p.filled_layers.is_none() && p.used_bytes < p.full_bytes {
            let saved = 1.0 - p.used_bytes as f64 / p.full_bytes as f64;
            let whole = format!("saved {}", human::percent_whole(saved));
            let exact = format!("saved {}", human::percent(saved));
            prop_assert!(drawn.contains(&exact) || drawn.contains(&whole), "{exact} in\n{drawn}");
        }
    }
}
