//! The models that can be had, as the popup behind `/model` lists them: what each takes and whether it
//! fits; and what is said of them unasked.

use super::{Effect, State};
use crate::engine::catalogue::{Catalogue, Offer};
use crate::engine::event::Event;
use crate::human;
use crate::model::source::known::DEFAULT;
use crate::tui::conversation::Level;
use crate::tui::text::wrap;

/// What the list stands behind.
const COMMAND: &str = "/model ";
/// Names are shown in so many characters, with an ellipsis in the middle.
const NAME: usize = 22;
/// Before why a model is none that can be taken.
const CANNOT: &str = "cannot run";
/// So many tokens are a long text.
const LONG: usize = 3000;

/// What is known of the models, and what was said of them.
#[derive(Clone, Debug, Default)]
pub struct Models {
    catalogue: Catalogue,
    /// It was asked for with what stands in the input.
    asked: bool,
    /// The running model was fetched just now, as nobody named one: a better one is told of.
    suggest: bool,
    fetched: bool,
    warned: bool,
}

impl State {
    /// `/model` without a name, or its key: the list opens.
    pub(super) fn pick_model(&mut self) {
        self.composer.buffer.replace(COMMAND.to_owned());
        self.popup.insist();
        self.screen.enter_input();
    }

    /// Esc closes the list of models, and takes the command that opened it away; false where another one
    /// is open.
    pub(super) fn leave_models(&mut self) -> bool {
        let listed = self.popup_title().is_some() && !self.popup().is_empty();
        if listed {
            self.composer.buffer.replace(String::new());
            self.unstash();
        }
        listed
    }

    /// The list is wanted while nothing is typed behind the command; it is read once, since every
    /// model's file is looked into.
    pub(super) fn ask_for_models(&mut self, wanted: bool, effects: &mut Vec<Effect>) {
        if wanted && !self.models.asked {
            effects.push(Effect::Models);
        }
        self.models.asked = wanted;
    }

    /// What the world found.
    pub(super) fn models_found(&mut self, catalogue: Catalogue) {
        self.popup.models = rows(&catalogue, self.running());
        self.models.catalogue = catalogue;
        if std::mem::take(&mut self.models.suggest)
            && let Some(better) = self.models.catalogue.better()
        {
            let text = format!(
                "this machine has room for a better model: {}; /model {} takes it",
                figures(better).join(", "),
                better.name
            );
            self.note(Level::Info, text);
        }
    }

    /// The path of the model that answers.
    fn running(&self) -> Option<&std::path::Path> {
        let model = self.dashboard.observed.model.as_ref();
        model.map(|model| model.path.as_path())
    }

    /// At the first start, which fetches the default, a better model is told of once this one is there.
    pub(super) fn first_start(&mut self, event: &Event, effects: &mut Vec<Effect>) {
        match event {
            Event::Fetching { .. } => self.models.fetched = true,
            Event::Ready { model, .. } => {
                let fetched = std::mem::take(&mut self.models.fetched);
                if fetched && model.name == DEFAULT.title {
                    self.models.suggest = true;
                    effects.push(Effect::Models);
                }
            }
            _ => {}
        }
    }

    /// A long text is put to the default model, which is too small for it and which nobody chose: said
    /// once.
    pub(super) fn warn_of_small(&mut self, tokens: usize) {
        let Some(model) = &self.dashboard.observed.model else {
            return;
        };
        if tokens > LONG && model.name == DEFAULT.title && !self.models.warned {
            self.models.warned = true;
            let text = format!(
                "{} is very small: what it says of a text this long is often wrong; /model lists \
                 larger ones",
                model.name
            );
            self.note(Level::Warning, text);
        }
    }

    /// Whether that name is the running model's.
    pub(super) fn answers_already(&self, name: &str) -> bool {
        let running = self.running();
        let mut offers = self.models.catalogue.offers.iter();
        offers.any(|o| o.name == name && running.is_some() && o.path.as_deref() == running)
    }
}

/// Names, each with its figures in columns: the model that answers first, then what is here, then what
/// can be fetched, and at last what cannot run.
fn rows(catalogue: &Catalogue, running: Option<&std::path::Path>) -> Vec<(String, String)> {
    let is_running = |o: &Offer| running.is_some() && o.path.as_deref() == running;
    let mut offers: Vec<&Offer> = catalogue.offers.iter().collect();
    offers.sort_by_key(|o| {
        let trouble = o.trouble.is_some();
        (!is_running(o), trouble, o.origin.is_none(), o.bytes)
    });
    let row = |offer: &Offer| {
        let hint = match &offer.trouble {
            Some(why) => format!("{CANNOT}: {why}"),
            None => hint(offer, is_running(offer)),
        };
        (offer.name.clone(), hint)
    };
    offers.into_iter().map(row).collect()
}

/// Whether it fits, memory at the budget, speed, context, size, and where it is.
fn hint(offer: &Offer, running: bool) -> String {
    let memory = offer
        .need
        .map_or_else(String::new, |n| human::bytes(n.total()));
    let speed = offer
        .speed
        .map_or_else(String::new, |s| format!("~{}", human::rate(s)));
    let context = human::short(offer.context);
    let size = human::bytes(offer.bytes);
    let place = match (running, offer.origin) {
        (true, _) => "answers now",
        (_, Some(origin)) => origin.name(),
        (_, None) => "to fetch",
    };
    columns(
        offer.verdict.word(),
        &memory,
        &speed,
        &context,
        &size,
        place,
    )
}

fn columns(
    fits: &str,
    memory: &str,
    speed: &str,
    context: &str,
    size: &str,
    place: &str,
) -> String {
    format!("{fits:<5} {memory:>8}  {speed:>6}  {context:>5}  {size:>8} {place}")
}

/// A line of the list, or its title, in so many cells: whole columns.
pub fn within(line: &str, cells: usize) -> String {
    // Where `columns` end.
    const ENDS: [usize; 5] = [5, 14, 22, 29, 39];
    let fits = wrap::width(line) <= cells || line.starts_with(CANNOT);
    match ENDS.into_iter().rev().find(|end| *end <= cells) {
        Some(end) if !fits => line.chars().take(end).collect(),
        _ => wrap::truncate(line, cells),
    }
}

/// The same as words.
fn figures(offer: &Offer) -> Vec<String> {
    let size = human::bytes(offer.bytes);
    let mut all = vec![match offer.origin {
        Some(_) => format!("{} ({size})", offer.name),
        None => format!("{} ({size} to fetch)", offer.name),
    }];
    all.extend(
        offer
            .need
            .map(|need| format!("{} of memory", human::bytes(need.total()))),
    );
    let speed = |s| format!("about {} tok/s", human::rate(s));
    all.extend(offer.speed.map(speed));
    all
}

/// What stands above the columns.
pub(super) fn title() -> String {
    columns("", "memory", "tok/s", "text", "size", "")
}

/// A name as the list has it.
pub(super) fn shown(name: &str) -> String {
    let letters: Vec<char> = name.chars().collect();
    if letters.len() <= NAME {
        return name.to_owned();
    }
    // Its end tells more than its beginning.
    let head: String = letters[..NAME / 3].iter().collect();
    let tail: String = letters[letters.len() - (NAME - NAME / 3 - 1)..]
        .iter()
        .collect();
    format!("{head}…{tail}")
}

/// What a machine may have, for tests.
#[cfg(test)]
pub fn example() -> Catalogue {
    use crate::engine::fit::Verdict;
    use crate::model::footprint::Need;
    use crate::model::source::known::KNOWN;
    use crate::model::source::stores::Origin;

    let offer = |name: &str, origin, bytes, context, weights, verdict, speed| Offer {
        name: name.into(),
        origin,
        path: None,
        bytes,
        architecture: "qwen3".into(),
        context,
        need: Some(Need {
            weights,
            ..Need::default()
        }),
        verdict,
        speed: Some(speed),
        trouble: None,
        known: KNOWN.iter().find(|known| known.name == name),
    };
    let (here, store) = (Some(Origin::HuggingFace), Some(Origin::Ollama));
    let studio = "lm-studio:maker/small-instruct-GGUF/small-instruct-Q8_0";
    let mut offers = vec![
        offer(
            "smollm2-135m",
            here,
            98_362_432,
            8192,
            186 << 20,
            Verdict::Fits,
            118.0,
        ),
        offer(
            "ollama:qwen3:0.6b",
            store,
            522_640_096,
            40_960,
            941 << 20,
            Verdict::Fits,
            31.4,
        ),
        offer(
            studio,
            Some(Origin::LmStudio),
            1_834_426_016,
            32_768,
            2100 << 20,
            Verdict::Tight,
            9.2,
        ),
        offer("broken", Some(Origin::Own), 12, 0, 0, Verdict::Unknown, 1.0),
        offer(
            "qwen3-4b",
            None,
            2_497_000_000,
            40_960,
            3000 << 20,
            Verdict::Fits,
            7.1,
        ),
        offer(
            "gpt-oss-20b",
            None,
            12_110_000_000,
            131_072,
            13_000 << 20,
            Verdict::No,
            12.5,
        ),
    ];
    offers[3].trouble = Some("the file is no GGUF file".into());
    offers[0].path = Some("/models/smollm2-135m.gguf".into());
    Catalogue {
        offers,
        notes: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_has_the_running_model_first_and_then_what_is_here() {
        let running = std::path::Path::new("/models/smollm2-135m.gguf");
        let rows = rows(&example(), Some(running));
        let names: Vec<&str> = rows.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names[..2], ["smollm2-135m", "ollama:qwen3:0.6b"]);
        assert_eq!(names[3..], ["qwen3-4b", "gpt-oss-20b", "broken"]);
        assert!(rows[0].1.ends_with("answers now") && rows[3].1.ends_with("to fetch"));
        assert!(rows[4].1.starts_with("no ") && rows[5].1.starts_with("cannot run: "));
        // The most that fits, and is fast enough.
        assert_eq!(
            example().better().map(|o| o.name.as_str()),
            Some("qwen3-4b")
        );
        // Where none answers, one that cannot run is not the first.
        let none = super::rows(&example(), None);
        assert_eq!(none[0].0, "smollm2-135m");
        assert_eq!(shown("a name that is not too lo"), "a name … is not too lo");
        assert_eq!(shown("short"), "short");
        // Where it is narrow, whole columns stand there and none in part.
        assert_eq!(within(&rows[3].1, 20), "fits  2.93 GiB");
        assert_eq!(within(&title(), 20), "        memory");
        assert_eq!(within("cannot run: no GGUF", 12), "cannot run:…");
    }
}
