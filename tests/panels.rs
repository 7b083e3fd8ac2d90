//! The panels over the real engine: what they show is what the cache holds.

mod common;

use cachat::engine::event::{CachePicture, Event, Sampling};
use cachat::engine::session::{Eviction, Session, Watcher};
use cachat::human;
use cachat::model::{ComputePath, DeviceKind, LoadOptions};
use cachat::policy::{Budget, Params, Preset};
use cachat::testing::TinySpec;
use cachat::tui::observed::Observed;
use cachat::tui::panel::{Look, Panel, Panels};
use cachat::tui::theme::Theme;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

fn session() -> Session {
    session_with(Preset::ADA_SNAPKV, 24, 6)
}

fn session_with(preset: Preset, budget: usize, slack: usize) -> Session {
    let options = LoadOptions {
        device: DeviceKind::Cpu,
        threads: Some(2),
        kv_dtype: None,
        exact: true,
        path: ComputePath::Kernels,
    };
    let model = common::load::tiny(&TinySpec::llama(), &options);
    let eviction = Eviction {
        preset,
        params: Params {
            window: 8,
            slack,
            ..Params::default()
        },
        budget: Budget::Tokens(budget),
    };
    Session::new(model, eviction, None).unwrap()
}

#[derive(Default)]
struct Screen {
    observed: Observed,
    at: f64,
}

impl Watcher for Screen {
    fn stopped(&self) -> bool {
        false
    }

    fn event(&mut self, event: Event) {
        self.at += 0.1;
        self.observed.event(&event, self.at, "12:00:00");
    }

    fn picture(&mut self, picture: CachePicture) {
        self.at += 0.1;
        self.observed.picture(picture, self.at);
    }
}

fn text(panel: Panel, observed: &Observed) -> String {
    let area = Rect::new(0, 0, 60, 20);
    let mut buf = Buffer::empty(area);
    let theme = Theme::default();
    let look = Look {
        theme: &theme,
        focused: false,
        zoomed: false,
        ascii: false,
    };
    Panels::default().render(panel, observed, area, &mut buf, look);
    let symbols = buf.content().chunks(60);
    let rows = symbols.map(|row| row.iter().map(|c| c.symbol()).collect::<String>());
    rows.collect::<Vec<_>>().join("\n")
}

#[test]
fn the_panels_show_the_sums_of_the_cache_itself() {
    let mut session = session();
    let d = session.model().network.description();
    let element = session.model().network.kv_dtype().1;
    let (heads, entry) = (
        d.all_kv_heads(),
        d.layers[0].attention().unwrap().entry_bytes(element),
    );
    let mut screen = Screen::default();
    let greedy = Sampling {
        temperature: 0.0,
        max_tokens: 12,
        ..Sampling::default()
    };
    for turn in 0..6 {
        let question = format!("turn {turn} of a conversation that passes its budget");
        session.ask(&question, &greedy, &mut screen).unwrap();
        let picture = session.picture();
        screen.picture(CachePicture {
            holders: session.holders(),
            ..picture.clone()
        });
        screen.event(Event::Tokens(session.token_texts()));
        let o = &screen.observed;
        // Bytes are those of the entries, and the entries those that the positions are held by.
        let entries: u64 = picture.lens.iter().flatten().map(|&n| u64::from(n)).sum();
        let held: u64 = o.picture.holders.iter().map(|&n| u64::from(n)).sum();
        assert_eq!(entries, held);
        let memory = text(Panel::Memory, o);
        for (bytes, what) in [
            (entries * entry as u64, "kept"),
            ((picture.position * heads * entry) as u64, "full cache"),
            (picture.allocated_bytes, "allocated"),
        ] {
            let figure = format!("{} {what}", human::bytes(bytes));
            assert!(memory.contains(&figure), "{figure} in\n{memory}");
        }
        let tokens = text(Panel::Tokens, o);
        // Of what the heads could hold: without an archive the rest is gone.
        let share = held as f64 / (o.picture.holders.len() * heads) as f64;
        let some = human::percent_whole(share);
        let rest = " in the cache · the rest gone";
        let figures = [
            format!("{some} of what heads could hold is{rest}"),
            format!("{some}{rest}"),
            "everything is in the cache".to_owned(),
        ];
        let figure = figures.iter().find(|figure| tokens.contains(*figure));
        assert!(
            figure.is_some_and(|f| (*f == figures[2]) == (share == 1.0)),
            "{some} in\n{tokens}"
        );
    }
    let o = &screen.observed;
    assert!(o.rounds.len() >= 2, "{} rounds", o.rounds.len());
    let panels = Panels::default();
    let rounds = format!("{} rounds", o.rounds.len());
    assert_eq!(panels.summary(Panel::Evictions, o), rounds);
    assert!(o.memory.points().iter().any(|p| p.mark));
    let last = &o.rounds[o.rounds.len() - 1].round;
    let freed = format!("−{}", human::bytes(last.freed_bytes));
    assert!(text(Panel::Evictions, o).contains(&freed));
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(24))]

    /// Whatever the policy, the budget and the turns: every byte on the panel is one of an entry.
    #[test]
    fn the_bytes_are_those_of_the_entries(
        preset in 0..Preset::ALL.len(),
        budget in 10usize..64,
        slack in 1usize..16,
        turns in proptest::collection::vec((1usize..40, 1usize..20), 1..4),
    ) {
        let mut session = session_with(Preset::ALL[preset], budget, slack);
        let entry = {
            let network = &session.model().network;
            network.description().layers[0].attention().unwrap().entry_bytes(network.kv_dtype().1) as u64
        };
        let mut screen = Screen::default();
        for (words, max_tokens) in turns {
            let sampling = Sampling { max_tokens, ..Sampling::default() };
            session.ask(&"word ".repeat(words), &sampling, &mut screen).unwrap();
            let picture = session.picture_with_holders();
            let entries: u64 = picture.lens.iter().flatten().map(|&n| u64::from(n)).sum();
            let held: u64 = picture.holders.iter().map(|&n| u64::from(n)).sum();
            proptest::prop_assert_eq!(entries, held);
            proptest::prop_assert_eq!(picture.used_bytes, entries * entry);
            proptest::prop_assert!(picture.allocated_bytes >= picture.used_bytes);
            proptest::prop_assert!(picture.full_bytes >= picture.used_bytes);
            // What the screen was told last is what there is.
            proptest::prop_assert_eq!(screen.observed.picture.used_bytes, picture.used_bytes);
            let memory = text(Panel::Memory, &screen.observed);
            let figure = format!("{} kept", human::bytes(picture.used_bytes));
            proptest::prop_assert!(memory.contains(&figure), "{} in\n{}", figure, memory);
        }
    }
}
